"""shipper: follows a backend's logs and turns them into searchable records, alerts and a verified archive."""

__version__ = "0.1.0"
