"""The providers that the example knows, and where they are."""

HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "perplexity": "api.perplexity.ai",
}
PROVIDERS = tuple(HOSTS)
