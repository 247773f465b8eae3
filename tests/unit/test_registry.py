"""Registry: parts by name, and the errors of names that are missing or taken."""

from dataclasses import dataclass
from typing import Any

import pytest

from mml_lib.errors import MOST_NAMES, MMLError, nearest
from mml_lib.registry import Registry


@dataclass(frozen=True)
class Part:
    function: Any


def test_missing_name_is_an_error_with_the_nearest():
    registry: Registry[Part] = Registry("creator", ("digits", Part(nearest)))
    assert registry["digits"].function is nearest
    assert registry.get("digit") is None
    with pytest.raises(MMLError, match="creator 'digit', did you mean 'digits'"):
        registry["digit"]


def test_module_replaces_its_own_part_and_no_other():
    registry: Registry[Part] = Registry("tag")
    registry.add("own", Part(nearest))
    registry.add("own", Part(MMLError))
    with pytest.raises(MMLError, match=r"tag 'own'.*mml_lib\.errors already"):
        registry.add("own", Part(Part))


def test_a_long_list_of_names_is_shortened():
    message = nearest("zzz", (f"network_{number:04d}" for number in range(1000)))
    assert "network_0000" in message
    assert message.endswith(f"{1000 - MOST_NAMES} more")
