"""The bucket of the team's server: `bucket.py make`, `bucket.py pull FOLDER`, `bucket.py push FOLDER`.

`pull` copies what the folder lacks, `push` what the bucket lacks: MLflow never changes a file, so files of the
same name and size are the same. Needs ARTIFACTS (s3://bucket/path) and boto3's variables.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    action, *rest = sys.argv[1:] or [""]
    place = urlparse(os.environ["ARTIFACTS"])
    bucket, prefix = place.netloc, place.path.strip("/") + "/"
    store = boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL"))
    if action == "make" and not rest:
        make(store, bucket)
    elif action in ("pull", "push") and len(rest) == 1:
        count = (pull if action == "pull" else push)(store, bucket, prefix, Path(rest[0]))
        print(f"{count} files copied")
    else:
        sys.exit(__doc__)


def make(store: Any, bucket: str) -> None:
    """Make the bucket, unless it is there."""
    try:
        store.head_bucket(Bucket=bucket)
    except ClientError:
        store.create_bucket(Bucket=bucket)


def listed(store: Any, bucket: str, prefix: str) -> dict[str, int]:
    """Name below the prefix → bytes."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {
        entry["Key"].removeprefix(prefix): entry["Size"]
        for page in pages
        for entry in page.get("Contents", ())
    }


def pull(store: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Copy the bucket's files into the folder; how many."""
    count = 0
    for name, size in listed(store, bucket, prefix).items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            sys.exit(f"{name} would lie outside {folder}")
        if path.is_file() and path.stat().st_size == size:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        store.download_file(bucket, prefix + name, str(partial))
        partial.replace(path)
        count += 1
    return count


def push(store: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Copy the folder's files into the bucket; how many."""
    make(store, bucket)
    there, count = listed(store, bucket, prefix), 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if there.get(name) != path.stat().st_size:
            store.upload_file(str(path), bucket, prefix + name)
            count += 1
    return count


if __name__ == "__main__":
    main()
