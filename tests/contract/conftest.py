"""What keeps the made-up requests apart."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give schemathesis' tests ids of their own: as of pytest 9.2, it names them by operation, but all have one id.

    Who spreads tests over processes by their ids would run one of them.
    """
    label = getattr(item, "operation_label", None)
    if label and label not in item.nodeid:
        item._id = item.id.with_params(label)
