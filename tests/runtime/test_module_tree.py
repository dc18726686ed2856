"""Walks over module trees and modules put into them."""

from torch import nn

from horizon_plugin_pytorch._runtime.module_tree import all_modules, attribute_of, clone_structure, set_modules


def test_all_modules_come_once_in_torchs_order():
    shared = nn.ReLU()
    model = nn.Sequential(nn.Sequential(shared, nn.Conv2d(1, 1, 1)), shared, nn.Sequential())
    model.register_module("none", None)
    assert list(all_modules(model)) == list(model.modules())


def test_an_attribute_is_found_where_python_finds_it():
    class Marked(nn.Module):
        mark = 1

    own = nn.Module()
    own.mark = 2
    assert [attribute_of(module, "mark", 0) for module in (Marked(), own, nn.Module(), None)] == [1, 2, 0, 0]


def test_what_refers_to_a_replaced_module_refers_to_the_new_one():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Identity())
    model[1].__dict__["friends"] = {"first": [model[0]]}
    new = nn.Conv2d(1, 1, 1)
    set_modules(model, {"0": new})
    assert model[1].friends == {"first": [new]}


def test_a_clone_refers_to_its_own_parts():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Identity())
    model[1].__dict__["friend"] = model[0]
    twin = clone_structure(model)
    assert twin[1].friend is twin[0] is not model[0]
    assert twin[0].weight is model[0].weight
