"""Kibana's data views, saved searches and dashboards: described in one file, made from it, imported by `setup`."""
