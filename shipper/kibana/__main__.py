"""`make kibana`: writes the saved objects that `pipelines/kibana/dashboards.yml` describes."""

from shipper.kibana.description import folder, load
from shipper.kibana.objects import ndjson, saved_objects

FILE = "saved-objects.ndjson"

if __name__ == "__main__":
    (folder() / FILE).write_bytes(ndjson(saved_objects(load())))
