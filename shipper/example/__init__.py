"""A small FastAPI backend under a real supervisord, and the traffic for it: what `shipper demo` follows."""
