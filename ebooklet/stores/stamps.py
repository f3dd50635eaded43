"""What does a request say about the objects that it writes, and about who pays?"""

from urllib.parse import quote, urlencode

from ebooklet.stores.access import S3Access


def payer_of(access: S3Access) -> dict[str, str]:
    """The header of every request to an object or its bucket, if requester pays.

    Examples
    --------
    >>> payer_of(S3Access("lab", request_payer=True))
    {'x-amz-request-payer': 'requester'}
    """
    return {"x-amz-request-payer": "requester"} if access.request_payer else {}


def written_with(access: S3Access, *, copied: bool = False) -> dict[str, str]:
    """The headers of a request that makes an object: a PUT, a copy, or the beginning of an upload in parts.

    Parameters
    ----------
    access : S3Access
        Storage class, encryption, access control list and tags.
    copied : bool
        Whether the object is a copy, which would keep the tags of its source.

    Examples
    --------
    >>> written_with(S3Access("lab", storage_class="STANDARD_IA", tags=(("project", "rain fall"),)))
    {'x-amz-storage-class': 'STANDARD_IA', 'x-amz-tagging': 'project=rain%20fall'}
    """
    said = {
        "x-amz-storage-class": access.storage_class,
        "x-amz-server-side-encryption": access.sse,
        "x-amz-server-side-encryption-aws-kms-key-id": access.sse_kms_key_id,
        "x-amz-acl": access.acl,
        "x-amz-tagging": urlencode(access.tags, quote_via=quote) or None,
        "x-amz-tagging-directive": "REPLACE" if copied and access.tags else None,
    }
    return {name: value for name, value in said.items() if value is not None}
