"""The wire's schema, derived from the contract, and the rule that it only grows.

`python -m hostler.providers.wire_schema FILE` writes it over an older one, and refuses when that would break a peer.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hostler.providers.contract import Provider
from hostler.providers.wire import Reply, error_codes, methods_of

Schema = dict[str, Any]


def _any(kind: type) -> Schema:
    """`object` is any JSON value; no other type of ours lacks a schema."""
    if kind is object:
        return {"description": "any JSON value"}
    raise NotImplementedError


def _plain(node: Any) -> Any:
    """Without titles and descriptions: prose may change."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items() if key not in {"title", "description"}}
    return [_plain(item) for item in node] if isinstance(node, list | tuple) else node


def schema(protocol: type = Provider) -> Schema:
    """Methods, the types they carry, the errors they raise."""
    methods = methods_of(protocol)
    types = [Reply, *(kind for method in methods.values() for kind in (method.request, method.returns))]
    references, components = msgspec.json.schema_components(types, schema_hook=_any, ref_template="#/types/{name}")
    pairs = iter(references[1:])
    described = {
        name: {"request": next(pairs), "returns": next(pairs), "streams": method.streams}
        for name, method in methods.items()
    }
    return {
        "methods": _plain(described),
        "types": _plain(components),
        "errors": {code: kind.next.value for code, kind in sorted(error_codes().items())},
    }


def text(of: Schema) -> str:
    return json.dumps(of, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def violations(old: Schema, new: Schema) -> list[str]:
    """What in `new` an older peer could not live with; none when it only adds."""
    return [
        *_kept("method", old["methods"], new["methods"]),
        *_kept("error", old["errors"], new["errors"]),
        *_types(old["types"], new["types"]),
    ]


def _kept(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, was in old.items():
        if name not in new:
            yield f"{what} {name} is gone"
        elif new[name] != was:
            yield f"{what} {name} was {json.dumps(was)} and is {json.dumps(new[name])}"


def _types(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, was in old.items():
        if name not in new:
            yield f"type {name} is gone"
        elif "enum" in was:
            gone = [value for value in was["enum"] if value not in new[name].get("enum", ())]
            if gone:
                yield f"type {name} lost {', '.join(map(str, gone))}"
        else:
            yield from _fields(name, was, new[name])


def _fields(name: str, old: Schema, new: Schema) -> Iterator[str]:
    yield from _kept(f"type {name}: field", _widened(old, new), new.get("properties", {}))
    for field in new.get("required", ()):
        if field not in old.get("required", ()):
            yield f"type {name}: field {field} is required now: give it a default"
    for field in old.get("required", ()):
        if field not in new.get("required", ()):
            yield f"type {name}: field {field} was required: an older peer still needs it"


def _widened(old: Schema, new: Schema) -> Mapping[str, Any]:
    """The old fields, a union counting as unchanged where it only took more members."""
    now = new.get("properties", {})
    return {
        field: now[field] if field in now and _is_wider(was, now[field]) else was
        for field, was in old.get("properties", {}).items()
    }


def _is_wider(old: Schema, new: Schema) -> bool:
    if "anyOf" not in old or "discriminator" not in old:
        return False
    return all(member in new.get("anyOf", ()) for member in old["anyOf"])


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m hostler.providers.wire_schema FILE\n")
        return 2
    path, new = Path(arguments[0]), schema()
    broken = violations(json.loads(path.read_text()), new) if path.exists() else []
    for line in broken:
        sys.stderr.write(f"{line}\n")
    if broken:
        sys.stderr.write(f"{path} stays as it is: the wire only grows. Add beside what is there, with a default.\n")
        return 1
    path.write_text(text(new))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
