"""The one parser of libvirt's XML: no document type, so no entities, external or exploding."""

import xml.etree.ElementTree as ET

from hostler.providers.errors import ProviderError

Element = ET.Element


def parse_xml(text: str, subject: str) -> ET.Element:
    """Raises ProviderError for what is not plain XML. `subject` names the document to the reader."""
    if "<!DOCTYPE" in text:
        raise ProviderError(
            f"{subject}: the XML carries a document type and is refused", "remove the document type from it on the host"
        )
    try:
        return ET.fromstring(text)  # noqa: S314 - entities need a document type, which is refused above
    except ET.ParseError as error:
        raise ProviderError(f"{subject}: libvirt gave XML that does not parse: {error}") from error
