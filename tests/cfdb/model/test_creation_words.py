"""What is said at the creation of a variable is obeyed, or refused with a way out."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import cfdb

ROUNDED = np.array([1.2345, -7.001], "f4")


def create(ds: Any, **options: Any) -> Any:
    return ds.create.data_var.generic("t", ("x",), "float32", data=ROUNDED, **options)


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ({"precision": 2}, {"precision": 2}),
        ({"precision": 2, "maximum_error": 9.0, "plus_relative_error": 0}, {"precision": 2}),
        ({"keep_bits": 5, "maximum_relative_error": 0}, {"keep_bits": 5}),
        ({"bit_information": 0.5}, {"bit_information": 0.5}),
        (
            {"precision": 1, "level": 7, "portable": True},
            {"precision": 1, "compression_level": 7, "encoding": "portable"},
        ),
        ({"compression": "lz4", "compression_level": None}, {"compression": "lz4"}),
        ({"portable": False}, {}),
        ({}, {}),
    ],
)
def test_a_dict_is_obeyed_as_the_parameters_are(encoding: Any, options: Any) -> None:
    with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as other:
        found, expected = create(ds, encoding=encoding), create(other, **options)
        assert found.values.tobytes() == expected.values.tobytes()
        assert found.encoding == expected.encoding
        assert found._array.pipeline.to_zarr() == expected._array.pipeline.to_zarr()


@pytest.mark.parametrize("options", [{"precision": 2}, {"keep_bits": 4}, {}])
def test_the_encoding_of_another_variable_is_taken(options: Any) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        first = create(ds, **options)
        for name, kind in (("u", "float32"), ("v", first.dtype)):
            made = ds.create.data_var.generic(name, ("x",), kind, data=ROUNDED, encoding=first.encoding)
            assert made.encoding == first.encoding
            assert made.values.tobytes() == first.values.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": {"zlib": True}}, "'zlib': True.* of 't' .*'precision', 'keep_bits'"),
        ({"encoding": {"scale_factor": 0.1}}, "'scale_factor'.*cfdb.dtypes.dtype"),
        ({"encoding": {"portable": 1}}, "True or False"),
        ({"encoding": {"level": 1, "compression_level": 2}}, "twice: 1 and 2"),
        ({"encoding": {"precision": 2}, "precision": 3}, "precision=3.*encoding= says 2"),
        ({"encoding": 7}, "'auto' or 'portable', or a dict"),
        ({"bit_information": "0.99"}, "bit_information='0.99'.*as in 0.99"),
        ({"bit_information": 99}, "bit_information=99"),
    ],
)
def test_what_would_have_no_effect_is_refused(options: Any, message: str) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        with pytest.raises((TypeError, ValueError), match=message):
            create(ds, **options)
        assert list(ds) == []


def test_the_source_of_an_import_is_noted_and_cannot_state_an_error() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        made = create(ds, precision=2, source_encoding={"_FillValue": -9, "maximum_error": 7.0})
        assert made.encoding["_FillValue"] == -9
        assert made.encoding["maximum_error"] == 0.005


def test_unknown_words_name_the_method_and_the_nearest() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        create = ds.create
        for method, call in {
            "create.variable": lambda **word: create.variable("t", ("x",), "f4", **word),
            "create.data_var.generic": lambda **word: create.data_var.generic("t", ("x",), "f4", **word),
            "create.data_var.air_temp": lambda **word: create.data_var.air_temp(("x",), **word),
            "create.coord.generic": lambda **word: create.coord.generic("t", [1.0], **word),
            "create.coord.lat": lambda **word: create.coord.lat([1.0], **word),
        }.items():
            with pytest.raises(
                TypeError, match=rf"^{method}\(\) has no parameter 'precison'; did you mean 'precision'"
            ):
                call(precison=2)
            with pytest.raises(TypeError, match=r"'max_value'.*cfdb\.dtypes\.dtype\("):
                call(max_value=2)
            with pytest.raises(TypeError, match="no parameter 'zzzzzz'; it has name, dims"):
                call(zzzzzz=2)
        with pytest.raises(TypeError, match=r"create\.coord\.generic\(\) sets role itself"):
            create.coord.generic("t", [1.0], role="data")
        assert list(ds) == []


def test_a_template_that_packs_says_how_to_round_otherwise() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("x", 2)
        with pytest.raises(ValueError, match=r"a template such as .* packs float32 .*dtype='float32'"):
            ds.create.data_var.air_temp(("x",), precision=1)
        made = ds.create.data_var.air_temp(("x",), dtype="float32", precision=1)
        assert made.encoding["precision"] == 1


def test_missing_integers_are_masked() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        made = ds.create.data_var.generic("t", ("x",), "int16", data=[1, 2], fill_value=-1)
        with pytest.raises(cfdb.errors.EncodingError, match=r"nan is no int16.*masked array"):
            made[...] = [1.0, np.nan]
        made[...] = np.ma.masked_invalid([1.0, np.nan])
        assert made.values.tolist() == [1, None]


def test_the_kernel_is_there_when_it_is_asked_for() -> None:
    code = "import sys, cfdb; assert 'cfdb.kernel' not in sys.modules; print(cfdb.kernel.__name__)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "cfdb.kernel\n"
    )
