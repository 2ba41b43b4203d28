"""The OpenAPI document only grows: what an old client sends must still be taken, what it reads must still be there."""

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]

_METHODS = ("get", "put", "post", "delete", "patch")


def breaks(old: Document, new: Document) -> list[str]:
    """Each way in which `new` breaks a client of `old`; none when it has only grown."""
    return list(_paths(old, new))


def _paths(old: Document, new: Document) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            before, after = methods[method], new["paths"].get(path, {}).get(method)
            where = f"{method.upper()} {path}"
            if after is None:
                yield f"{where}: removed"
                continue
            if before.get("operationId") != after.get("operationId"):
                yield f"{where}: operationId changed from {before.get('operationId')} to {after.get('operationId')}"
            yield from _parameters(where, before, after, old, new)
            yield from _bodies(where, before, after, old, new)
            yield from _responses(where, before, after, old, new)


def _parameters(where: str, before: Document, after: Document, old: Document, new: Document) -> Iterator[str]:
    known = {(p["in"], p["name"]): p for p in before.get("parameters", ())}
    given = {(p["in"], p["name"]): p for p in after.get("parameters", ())}
    for key, parameter in known.items():
        at = f"{where}: {key[0]} parameter {key[1]}"
        if key not in given:
            yield f"{at}: removed"
            continue
        if given[key].get("required") and not parameter.get("required"):
            yield f"{at}: is now required"
        yield from _Sent(old, new).compare(at, parameter["schema"], given[key]["schema"])
    for key, parameter in given.items():
        if key not in known and parameter.get("required"):
            yield f"{where}: {key[0]} parameter {key[1]}: new and required"


def _bodies(where: str, before: Document, after: Document, old: Document, new: Document) -> Iterator[str]:
    was, now = before.get("requestBody"), after.get("requestBody")
    if was is None:
        if now is not None and now.get("required"):
            yield f"{where}: body: new and required"
        return
    if now is None:
        yield f"{where}: body: removed"
        return
    if now.get("required") and not was.get("required"):
        yield f"{where}: body: is now required"
    yield from _contents(f"{where}: body", was, now, _Sent(old, new))


def _responses(where: str, before: Document, after: Document, old: Document, new: Document) -> Iterator[str]:
    for status, was in before.get("responses", {}).items():
        now = after.get("responses", {}).get(status)
        if now is None:
            yield f"{where}: answer {status}: removed"
            continue
        yield from _contents(f"{where}: answer {status}", was, now, _Read(old, new))
        for header in was.get("headers", {}):
            if header not in now.get("headers", {}):
                yield f"{where}: answer {status}: header {header}: removed"


def _contents(at: str, was: Document, now: Document, comparison: "_Comparison") -> Iterator[str]:
    for media, content in was.get("content", {}).items():
        if media not in now.get("content", {}):
            yield f"{at}: {media}: removed"
        else:
            yield from comparison.compare(at, content.get("schema", {}), now["content"][media].get("schema", {}))


class _Comparison:
    """Two schemas side by side, their references followed."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str]] = set()

    def compare(self, at: str, was: Document, now: Document) -> Iterator[str]:
        names = (str(was.get("$ref", "")), str(now.get("$ref", "")))
        if all(names):
            if names in self._seen:
                return
            self._seen.add(names)
        was, now = _followed(self._old, was), _followed(self._new, now)
        yield from self.types(at, was, now)
        if "enum" in was and "enum" in now:
            yield from self.values(at, set(map(str, was["enum"])), set(map(str, now["enum"])))
        yield from self.required(at, was, now)
        for name, inner in was.get("properties", {}).items():
            if name not in now.get("properties", {}):
                yield f"{at}: field {name}: removed"
            else:
                yield from self.compare(f"{at}: field {name}", inner, now["properties"][name])
        if "items" in was:
            yield from self.compare(f"{at}: items", was["items"], now.get("items", {}))

    def types(self, at: str, was: Document, now: Document) -> Iterator[str]:
        before, after = _types(was), _types(now)
        if before and after and not self.fits(before, after):
            yield f"{at}: type changed from {' or '.join(sorted(before))} to {' or '.join(sorted(after))}"

    def fits(self, before: set[str], after: set[str]) -> bool:
        raise NotImplementedError

    def values(self, at: str, before: set[str], after: set[str]) -> Iterator[str]:
        raise NotImplementedError

    def required(self, at: str, was: Document, now: Document) -> Iterator[str]:
        raise NotImplementedError


class _Sent(_Comparison):
    """What a client sends: it may be asked for no more, and no less may be taken."""

    def types(self, at: str, was: Document, now: Document) -> Iterator[str]:
        yield from super().types(at, was, now)
        for bound, narrower in (("minimum", 1), ("minLength", 1), ("maximum", -1), ("maxLength", -1)):
            limit = now.get(bound)
            if limit is not None and (was.get(bound) is None or (limit - was[bound]) * narrower > 0):
                yield f"{at}: {bound} is now {limit}"
        if now.get("pattern") is not None and now["pattern"] != was.get("pattern"):
            yield f"{at}: pattern is now {now['pattern']}"

    def fits(self, before: set[str], after: set[str]) -> bool:
        return before <= after

    def values(self, at: str, before: set[str], after: set[str]) -> Iterator[str]:
        for value in sorted(before - after):
            yield f"{at}: value {value}: no longer taken"

    def required(self, at: str, was: Document, now: Document) -> Iterator[str]:
        for name in sorted(set(now.get("required", ())) - set(was.get("required", ()))):
            yield f"{at}: field {name}: now required"


class _Read(_Comparison):
    """What a client reads: all of it stays, in the types it knew."""

    def fits(self, before: set[str], after: set[str]) -> bool:
        return after <= before

    def values(self, at: str, before: set[str], after: set[str]) -> Iterator[str]:
        """A new value is growth: clients are told to expect words that they do not know."""
        return iter(())

    def required(self, at: str, was: Document, now: Document) -> Iterator[str]:
        for name in sorted(set(was.get("required", ())) - set(now.get("required", ()))):
            yield f"{at}: field {name}: no longer always there"


def _followed(document: Document, schema: Document) -> Document:
    while "$ref" in schema:
        schema = document["components"]["schemas"][str(schema["$ref"]).rpartition("/")[2]]
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        inner = _followed(document, options[0])
        return {**inner, "type": sorted(_types(inner) | {"null"})} if _types(inner) else inner
    return schema


def _types(schema: Document) -> set[str]:
    found = schema.get("type", ())
    return {found} if isinstance(found, str) else set(found)
