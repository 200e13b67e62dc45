"""Elasticsearch, as far as more than one part of shipper has to do with it: names, types, the client, the templates."""
