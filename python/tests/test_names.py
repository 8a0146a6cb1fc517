"""Whoever knows one client knows the other: names and parameters are the same."""

import asyncio
import inspect

import pytest

import tenfold
import tenfold.asyncio

# A connection of asyncio is one of its protocols, too.
PROTOCOL = set(dir(asyncio.Protocol))


def public(what):
    return {name for name in dir(what) if not name.startswith("_") and name not in PROTOCOL}


def parameters(what):
    return [(one.name, one.kind, one.default) for one in inspect.signature(what).parameters.values()]


@pytest.mark.parametrize("name", tenfold.asyncio.__all__)
def test_both_clients_have_the_same_names_and_parameters(name):
    waiting, awaited = getattr(tenfold, name), getattr(tenfold.asyncio, name)
    if inspect.isfunction(awaited):
        assert parameters(waiting) == parameters(awaited)
        return
    assert public(waiting) == public(awaited)
    if name not in ("Connection", "Listener"):  # these are made by functions
        assert parameters(waiting) == parameters(awaited)
    for member in public(awaited):
        one, other = inspect.getattr_static(waiting, member), inspect.getattr_static(awaited, member)
        assert type(one) is type(other), member
        if inspect.isfunction(one):
            assert parameters(one) == parameters(other), member


def test_what_both_clients_do_is_in_both_modules():
    assert set(tenfold.asyncio.__all__) <= set(tenfold.__all__)
    functions = {name for name in tenfold.__all__ if inspect.isfunction(getattr(tenfold, name))}
    assert functions == {"connect", "listen"} <= set(tenfold.asyncio.__all__)
