"""A person publishes a draft: the only way for a changed conclusion to stand."""

from bayesrtw.errors import StoreError
from bayesrtw.living.journal import decisions, note
from bayesrtw.living.store import WAIT, Run, Store, read_run, run_names, writing


def publish(store: Store, run: Run, *, by: str, reason: str = "", wait: float = WAIT) -> None:
    """Publish a draft, and note who did."""
    if not by.strip():
        raise StoreError("a person publishes a draft; say who with --by.")
    try:
        f"{by}{reason}".encode()
    except UnicodeEncodeError:
        raise StoreError("--by and --reason must be text; found bytes that are no UTF-8.") from None
    analysis = str(run.manifest["analysis"])
    with writing(store, analysis, wait=wait) as writer:
        latest = run_names(store, analysis)[-1]
        found = read_run(store, analysis, run.name)
        if found.manifest["status"] != "draft" or run.name in decisions(store, analysis):
            raise StoreError(f"{analysis}/{run.name}: is published already; nothing was noted.")
        if latest != run.name:
            raise StoreError(
                f"{analysis}/{run.name}: a later run exists, {latest}; publish that one, or none."
            )
        note(writer, "published", run=run.name, by=by.strip(), reason=reason)
