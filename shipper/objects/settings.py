"""How a bucket is reached."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class S3(BaseModel):
    """How a bucket is reached; what is missing is taken from the environment as every AWS tool does."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    endpoint: str = Field(default="", description="URL of a server that is not AWS; also AWS_ENDPOINT_URL.")
    region: str = Field(default="", description="Also AWS_REGION.")
    access_key: SecretStr = Field(default=SecretStr(""), description="Also AWS_ACCESS_KEY_ID, profiles, roles.")
    secret_key: SecretStr = Field(default=SecretStr(""), description="Also AWS_SECRET_ACCESS_KEY.")
    encryption: Literal["", "AES256", "aws:kms"] = Field(
        default="", description="Server-side; empty: the bucket's own."
    )
    kms_key: str = Field(default="", description="Key for `aws:kms`; empty: the account's own.")
    path_style: bool | None = Field(default=None, description="Bucket in the path; by default with an `endpoint`.")
    parallel: int = Field(default=4, ge=1, le=32, description="Parts of an object that travel at the same time.")
    timeout_s: float = Field(default=60.0, gt=0, description="Seconds until a request that gets no answer fails.")

    @model_validator(mode="after")
    def _both_keys(self) -> "S3":
        if bool(self.access_key.get_secret_value()) != bool(self.secret_key.get_secret_value()):
            raise ValueError("`access_key` and `secret_key` go together; write both, or none of them")
        return self
