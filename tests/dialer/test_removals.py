"""The list of locks and the tests that need them says what is there; trying each takes minutes and is done by hand."""

from __future__ import annotations

import re

import pytest

from tests.dialer.removals import ROOT, Removal, removals


@pytest.mark.parametrize("removal", removals(), ids=lambda removal: removal.what)
def test_what_would_be_removed_and_the_test_that_needs_it_are_there(removal: Removal) -> None:
    assert (ROOT / removal.file).read_text().count(removal.old) == 1
    file, _, name = removal.test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
