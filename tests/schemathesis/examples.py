"""Fails unless every example in an OpenAPI document fits its schema. Reads the document's address."""

import json
import sys
import urllib.request

import jsonschema_rs

COMPONENTS = "#/components/schemas/"


def media_types(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"].items()
            bodies = [(status, answer) for status, answer in answers] + [("request", operation.get("requestBody", {}))]
            for name, body in bodies:
                for media in body.get("content", {}).values():
                    yield f"{method} {path} {name}", media
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", []):
            yield name, {"schema": {"$ref": COMPONENTS + name}, "example": example}


document = json.load(urllib.request.urlopen(sys.argv[1]))
count = 0
for place, media in media_types(document):
    schema = {**media["schema"], "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    for error in validator.iter_errors(media["example"]):
        sys.exit(f"{place}: {error}")
    count += 1
print(f"{count} examples fit")
sys.exit(0 if count else "there are no examples")
