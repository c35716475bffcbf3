"""docs/reference.md out of docs/openapi.yaml: the same document, the same page.

python -m tools.reference
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools.local.template import ROOT

type Json = dict[str, Any]

DOCUMENT = ROOT / "docs" / "openapi.yaml"
PAGE = ROOT / "docs" / "reference.md"
_BOUNDS = {
    "minimum": "from {}",
    "maximum": "to {}",
    "minLength": "{} or more characters",
    "maxLength": "at most {} characters",
    "minItems": "{} or more",
    "maxItems": "at most {}",
    "maxProperties": "at most {}",
    "default": "default {}",
}


def main() -> None:
    PAGE.write_text(render(yaml.safe_load(DOCUMENT.read_text())))


def render(document: Json, source: Path = DOCUMENT) -> str:
    """The page, in Markdown."""
    return "\n".join(Page(document, source.name).lines()).rstrip() + "\n"


class Page:
    def __init__(self, document: Json, source: str) -> None:
        self._document = document
        self._source = source
        self._schemas: Json = document["components"]["schemas"]

    def lines(self) -> Iterator[str]:
        info = self._document["info"]
        yield from (f"# {info['title']}", "", info["description"].strip(), "")
        yield from (
            f"Made from [{self._source}]({self._source}) by `python -m tools.reference`; [api.md](api.md) explains it.",
            "",
        )
        yield from self._keys()
        for tag in self._document["tags"]:
            yield from (f"## {tag['name']}", "", tag["description"], "")
            for path, methods in self._document["paths"].items():
                for method, operation in methods.items():
                    if tag["name"] in operation["tags"]:
                        yield from self._operation(method, path, operation)
        yield from self._errors()
        yield from self._headers()
        yield from ("## Shapes", "")
        for name, schema in self._schemas.items():
            if _has_section(schema):
                yield from self._shape(name, schema)

    def _keys(self) -> Iterator[str]:
        yield from ("## Keys", "")
        for scheme in self._document["components"]["securitySchemes"].values():
            name = f"`{scheme['name']}`: " if "name" in scheme else ""
            yield f"- {name}{scheme['description']}"
        yield ""

    def _operation(self, method: str, path: str, operation: Json) -> Iterator[str]:
        yield from (f"### {method.upper()} {path}", "", f"{operation['summary']}.", "")
        if "description" in operation:
            yield from (operation["description"].strip(), "")
        if operation.get("security") == []:
            yield from ("No key is needed.", "")
        for parameter in map(self._resolved, operation.get("parameters", [])):
            said = _sentence(parameter.get("description", "the one that is asked for"))
            yield f"- `{parameter['name']}` ({parameter['in']}): {said}"
        if "parameters" in operation:
            yield ""
        if "requestBody" in operation:
            yield from self._request(operation["requestBody"]["content"]["application/json"])
        yield from self._answers(operation["responses"])

    def _request(self, content: Json) -> Iterator[str]:
        yield from (f"Body: {self._type(content['schema'])}.", "")
        for example in content["examples"].values():
            yield from ("```json", json.dumps(example["value"], ensure_ascii=False), "```", "")

    def _answers(self, responses: Json) -> Iterator[str]:
        for status, response in responses.items():
            if status.startswith("2"):
                kinds = [
                    f"`{kind}`: {self._answer(kind, each['schema'])}" for kind, each in response["content"].items()
                ]
                yield from (f"{status}: {_sentence(response['description'])}", "", *(f"- {kind}" for kind in kinds), "")
        yield from (f"Errors: {', '.join(status for status in responses if not status.startswith('2'))}.", "")

    def _answer(self, kind: str, schema: Json) -> str:
        """Of a stream, what its events hold."""
        if kind != "text/event-stream":
            return self._type(schema)
        return f"{_sentence(schema['description'])} Data: {self._type(schema['properties']['data'])}"

    def _errors(self) -> Iterator[str]:
        yield from (
            "## Errors",
            "",
            f"The body is {self._link('Error')}; below `/v1/messages`, {self._link('AnthropicError')}.",
            "",
        )
        yield from ("| status | `code` and what to do |", "|---|---|")
        said = {}
        for methods in self._document["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if not status.startswith("2"):
                        said[status] = _cell(self._resolved(response)["description"])
        yield from (f"| {status} | {said[status]} |" for status in sorted(said))
        yield ""

    def _headers(self) -> Iterator[str]:
        yield from ("## Headers of answers", "", "| header | |", "|---|---|")
        found: dict[str, str] = {}
        answers = list(self._document["components"]["responses"].values())
        answers += [r for m in self._document["paths"].values() for o in m.values() for r in o["responses"].values()]
        for answer in answers:
            for name, header in answer.get("headers", {}).items():
                found[name] = _cell(self._resolved(header)["description"])
        yield from (f"| `{name}` | {found[name]} |" for name in sorted(found))
        yield ""

    def _shape(self, name: str, schema: Json) -> Iterator[str]:
        yield from (f"### {name}", "")
        if "description" in schema:
            yield from (schema["description"].strip(), "")
        if "properties" in schema:
            yield from ("| field | type | |", "|---|---|---|")
            needed = schema.get("required", ())
            for field, inner in schema["properties"].items():
                mark = "" if field in needed else ", optional"
                yield f"| `{field}` | {self._type(inner)}{mark} | {_cell(self._said(inner))} |"
        else:
            yield self._type({k: v for k, v in schema.items() if k != "description"})
        yield ""

    def _type(self, schema: Any) -> str:
        """In words, with links to what has a section."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._link(name) if _has_section(self._schemas[name]) else self._type(self._schemas[name])
        for key, word in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
            if key in schema:
                return word.join(self._type(each) for each in schema[key])
        if "contentSchema" in schema:
            return self._type(schema["contentSchema"])
        if "const" in schema:
            return f"`{json.dumps(schema['const'])}`"
        if "enum" in schema:
            return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
        kinds = schema.get("type", "anything")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        said = " or ".join(self._kind(kind, schema) for kind in kinds)
        bounds = [words.format(json.dumps(schema[key])) for key, words in _BOUNDS.items() if key in schema]
        return f"{said} ({', '.join(bounds)})" if bounds else said

    def _kind(self, kind: str, schema: Json) -> str:
        if kind == "array":
            return f"list of {self._type(schema['items'])}"
        if kind == "object" and "properties" in schema:
            needed = schema.get("required", ())
            fields = (
                f"`{name}`{'' if name in needed else '?'}: {self._type(each)}"
                for name, each in schema["properties"].items()
            )
            return f"{{{'; '.join(fields)}}}"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"object of {self._type(schema['additionalProperties'])}"
        return kind

    def _said(self, schema: Json) -> str:
        """A field's own description; else that of what it refers to, where that has no section to say it."""
        if "description" in schema or "$ref" not in schema:
            return str(schema.get("description", ""))
        target = self._resolved(schema)
        return "" if _has_section(target) else str(target.get("description", ""))

    def _link(self, name: str) -> str:
        return f"[{name}](#{name.lower()})"

    def _resolved(self, node: Json) -> Json:
        if "$ref" not in node:
            return node
        target: Any = self._document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        found: Json = target
        return found


def _has_section(schema: Json) -> bool:
    return "properties" in schema or "oneOf" in schema or "allOf" in schema


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", ":", "`")) else f"{text}."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
