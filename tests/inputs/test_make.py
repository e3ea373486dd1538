"""``--input`` options: parsing, files, conversion, and values that are made up."""

import io
import json
import os
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfkit import proto
from tfkit.arrays import NUMPY_DTYPES, check_array
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MessageError, SignatureError, TfkitError, UsageError
from tfkit.graph.values import Examples, Feature, IntRange, Vocabulary
from tfkit.inputs import (
    given_request,
    given_rows,
    make_inputs,
    options_from,
    parse_inputs,
    random_for_missing,
    signature_of,
)
from tfkit.tensors import DType, Signature, TensorSpec


def one(dtype=DType.FLOAT, shape=(None, 2), name="x"):
    """A signature with one input."""
    return Signature("predict", (TensorSpec(name, dtype, shape),), ())


def make(option, dtype=DType.FLOAT, shape=(None, 2), **settings):
    """The array that one option makes for one input."""
    options = [option] if isinstance(option, str) else option
    return make_inputs(parse_inputs(options), one(dtype, shape), **settings)["x"]


PARSED = Examples(
    (
        Feature("ids", DType.INT64, None, IntRange(0, 3)),
        Feature("weights", DType.FLOAT, None),
        Feature("rows", DType.FLOAT, (None, 2)),
        Feature("words", DType.STRING, (2, 2)),
    ),
    (Feature("steps", DType.FLOAT, (2,)),),
)


@pytest.fixture
def rows(tmp_path):
    """An npy file of five rows of float64."""
    path = tmp_path / "rows.npy"
    np.save(path, np.arange(10.0).reshape(5, 2))
    return path


class TestOptions:
    def test_one_option_may_come_without_a_list(self):
        assert parse_inputs("x=zeros") == parse_inputs(["x=zeros"])

    def test_dtype_after_the_name_is_kept_apart(self):
        option = parse_inputs(["x:int64=[1]"])[0]
        assert (option.name, option.dtype) == ("x", DType.INT64)

    def test_a_colon_that_starts_no_dtype_belongs_to_the_name(self):
        assert parse_inputs(["images:0=zeros"])[0].name == "images:0"

    @pytest.mark.parametrize(
        "text",
        ["x", "=1", "x=hello", "x=[1,", "x=random:1", "x=random:a:b", "x=random:2:2", "x=random:0:inf", "@", "x=@"],
    )
    def test_what_has_no_known_form_is_a_usage_error(self, text):
        with pytest.raises(UsageError):
            parse_inputs([text])

    def test_nesting_without_end_is_a_usage_error(self):
        with pytest.raises(UsageError):
            parse_inputs(["x=" + "[" * 200_000])

    def test_unquoted_text_gets_the_advice_to_quote_it(self):
        with pytest.raises(UsageError, match="double quotes"):
            parse_inputs(["word=hello"])


class TestLiterals:
    def test_json_takes_the_dtype_of_the_signature(self):
        array = make("x=[[1, 2], [3, 4.5]]", batch_size=None)
        assert array.dtype == np.float32
        assert array.tolist() == [[1, 2], [3, 4.5]]

    def test_one_sample_gets_its_batch_dimension(self):
        assert make("x=[1, 2]").shape == (1, 2)

    @pytest.mark.parametrize("batch_size", [None, 2])
    @pytest.mark.parametrize(
        ("dtype", "shape", "text", "held"),
        [
            (DType.STRING, (None, 1), '["good", "bad"]', [[b"good"], [b"bad"]]),
            (DType.INT32, (None, 1, 1), "[3, 4]", [[[3]], [[4]]]),
        ],
    )
    def test_a_list_is_a_row_each_where_a_row_is_one_value(self, dtype, shape, text, held, batch_size):
        assert make(f"x={text}", dtype, shape, batch_size=batch_size).tolist() == held
        assert make(f"x={text}", dtype, (None, None), batch_size=1).shape == (1, 2)

    @pytest.mark.parametrize(
        ("dtype", "text", "held"),
        [
            (DType.INT64, "[9223372036854775807]", [2**63 - 1]),
            (DType.INT64, "[1.0, 9007199254740993]", [1, 2**53 + 1]),
            (DType.UINT64, "[18446744073709551615, 1]", [2**64 - 1, 1]),
            (DType.UINT8, "[255, true]", [255, 1]),
            (DType.BOOL, "[true, 0]", [True, False]),
            (DType.HALF, "[0.5]", [0.5]),
            (DType.BFLOAT16, "[0.5, 2]", [0.5, 2]),
            (DType.FLOAT, "[Infinity, 1e30]", [np.inf, np.float32(1e30)]),
            (DType.STRING, '["a", {"b64": "AP8="}]', [b"a", b"\x00\xff"]),
            (DType.COMPLEX64, '["1+2j", 3]', [1 + 2j, 3]),
        ],
    )
    def test_values_of_every_kind_are_held_exactly(self, dtype, text, held):
        array = make(f"x={text}", dtype, (None,), batch_size=None)
        assert array.dtype == NUMPY_DTYPES[dtype]
        assert array.tolist() == held

    def test_quantized_numbers_are_whole_numbers(self):
        array = make("x=[-3, 4]", DType.QINT8, (None,), batch_size=None)
        assert array["qint8"].tolist() == [-3, 4]

    @pytest.mark.parametrize(
        ("dtype", "text", "what"),
        [
            (DType.INT32, "[1.5]", "1.5"),
            (DType.INT8, "[128]", "128"),
            (DType.UINT8, "[-1]", "-1"),
            (DType.INT64, "[99999999999999999999]", "99999999999999999999"),
            (DType.INT32, "[NaN]", "nan"),
            (DType.BOOL, "[2]", "2"),
            (DType.HALF, "[70000]", "70000"),
            (DType.FLOAT, "[1e39]", "1e[+]39"),
            (DType.DOUBLE, "[1" + "0" * 400 + "]", r"100.*\.\.\."),
            (DType.FLOAT, '["1"]', "'1'"),
            (DType.FLOAT, "[null]", "None"),
            (DType.STRING, "[1]", "1"),
            (DType.STRING, '[{"b64": "?"}]', "base64"),
            (DType.COMPLEX64, '["one"]', "1[+]2j"),
            (DType.FLOAT, "[[1, 2], [3]]", "different lengths"),
            (DType.FLOAT, "[[1], 2]", "different lengths"),
            (DType.FLOAT, "[1, [2]]", "mixes"),
        ],
    )
    def test_a_value_that_does_not_fit_is_named_with_the_input(self, dtype, text, what):
        with pytest.raises(SignatureError, match=f"input 'x'(?s:.*){what}"):
            make(f"x={text}", dtype, (None,))

    def test_lists_deeper_than_any_tensor_are_refused(self):
        with pytest.raises(SignatureError, match="nested"):
            make("x=" + "[" * 70 + "1" + "]" * 70, shape=None)

    def test_a_fixed_dtype_other_than_the_signatures_is_an_error(self):
        with pytest.raises(SignatureError, match=r"fixed as int64: expected float32\[\?, 2\]"):
            make("x:int64=[1, 2]")
        with pytest.raises(SignatureError, match="fixed as int64"):
            make("x:int64=random")

    def test_python_values_are_given_by_name(self):
        values = {"x": [np.array([1.0, 2.0], np.float32)[0], 2]}
        assert make_inputs(options_from(values), one())["x"].tolist() == [[1, 2]]
        assert make_inputs(options_from({"x": np.ones((1, 2))}), one())["x"].dtype == np.float32
        assert make_inputs(options_from({"x": ((1, 2),)}), one())["x"].shape == (1, 2)


class TestShapes:
    def test_a_batch_takes_the_first_rows(self, rows):
        assert make(f"x=@{rows}", batch_size=2).tolist() == [[0, 1], [2, 3]]

    def test_without_a_batch_size_all_rows_are_kept(self, rows):
        assert make(f"x=@{rows}", batch_size=None).shape == (5, 2)

    def test_fewer_rows_than_the_batch_size_is_an_error(self, rows):
        with pytest.raises(SignatureError, match="5 rows: expected at least 8"):
            make(f"x=@{rows}", batch_size=8)

    def test_only_an_unknown_leading_dimension_is_a_batch(self):
        assert make("x=[[1, 2], [3, 4]]", shape=(2, 2), batch_size=1).shape == (2, 2)
        assert make("x=7", shape=(), batch_size=3).shape == ()
        assert make("x=random", shape=(1, 4), batch_size=3).shape == (1, 4)

    @pytest.mark.parametrize("shape", [(5,), (1, 3), (1, 2, 1)])
    def test_another_shape_names_what_came_and_what_fits(self, shape, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros(shape))
        with pytest.raises(
            SignatureError, match=rf"{list(shape)}".replace("[", r"\[") + r": expected float32\[\?, 2\]"
        ):
            make(f"x=@{tmp_path / 'a.npy'}")

    def test_an_unknown_rank_takes_any_array_but_nothing_made_up(self):
        assert make("x=[[[1]]]", shape=None).shape == (1, 1, 1)
        with pytest.raises(SignatureError, match="unknown rank"):
            make("x=random", shape=None)

    def test_unknown_inner_dimensions_are_made_up_as_asked(self):
        assert make("x=zeros", shape=(None, None, 3), batch_size=2, unknown_dim=5).shape == (2, 5, 3)


class TestNames:
    def test_unknown_names_are_offered_the_nearest(self):
        with pytest.raises(SignatureError, match="Did you mean 'images'"):
            make_inputs(parse_inputs(["imges=zeros"]), one(name="images"))

    def test_a_missing_input_is_named_with_what_it_takes(self):
        with pytest.raises(SignatureError, match=r"needs input 'x', float32\[\?, 2\]"):
            make_inputs((), one())

    def test_an_input_given_twice_is_an_error(self):
        with pytest.raises(SignatureError, match="twice"):
            make(["x=zeros", "x=[1, 2]"])

    def test_an_option_of_its_own_overrides_a_whole_set(self, tmp_path):
        np.savez(tmp_path / "set.npz", x=np.ones((1, 2)))
        assert make([f"@{tmp_path / 'set.npz'}", "x=zeros"]).tolist() == [[0, 0]]

    def test_what_is_left_out_can_be_random(self):
        signature = Signature("s", (TensorSpec("a", DType.FLOAT, (None,)), TensorSpec("b", DType.FLOAT, (None,))), ())
        given_options = parse_inputs(["b=[1]"])
        assert [option.name for option in random_for_missing(given_options, signature)] == ["a"]

    @pytest.mark.parametrize("settings", [{"batch_size": 0}, {"seed": -1}])
    def test_impossible_settings_are_usage_errors(self, settings):
        with pytest.raises(UsageError):
            make("x=zeros", **settings)


class TestArrays:
    @pytest.mark.parametrize(
        ("array", "dtype"),
        [
            (np.array([[1, 2]], np.int64), DType.FLOAT),
            (np.array([[1.0, 2.0]]), DType.INT32),
            (np.array([[1.0, 2.0]], ">f8"), DType.FLOAT),
            (np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), DType.DOUBLE),
            (np.array([["a", "b"]]), DType.STRING),
            (np.array([[b"a", b"b"]]), DType.STRING),
            (np.array([[1, 2]], ml_dtypes.bfloat16), DType.BFLOAT16),
            (np.array([[1, 2]], np.float16), DType.COMPLEX64),
            (np.array([[1, 0]], np.int8), DType.BOOL),
            (np.zeros((1, 2), [("qint8", "i1")]), DType.QINT8),
            (np.zeros((1, 2), np.longdouble), DType.FLOAT),
        ],
    )
    def test_files_are_converted_where_nothing_is_lost(self, array, dtype, tmp_path):
        np.save(tmp_path / "a.npy", array)
        held = make(f"x=@{tmp_path / 'a.npy'}", dtype, batch_size=None)
        check_array(TensorSpec("x", dtype, (None, 2)), held)
        assert type(held) is np.ndarray
        assert held.flags.c_contiguous
        if dtype is DType.STRING:
            assert held.tolist() == [[b"a", b"b"]]
        elif array.dtype != "V2" and dtype is not DType.QINT8:
            assert held.tolist() == array.tolist()

    @pytest.mark.parametrize(
        ("array", "dtype"),
        [
            (np.array([[1.5, 2]]), DType.INT32),
            (np.array([[np.nan, 2]]), DType.INT32),
            (np.array([[1e300, 2]]), DType.FLOAT),
            (np.array([[300, 2]]), DType.UINT8),
            (np.array([[1.0, 0.0]]), DType.BOOL),
            (np.array([[1j, 2]]), DType.FLOAT),
            (np.array([["1", "2"]]), DType.FLOAT),
            (np.array([[1, 2]]), DType.STRING),
            (np.zeros((1, 2), "V2"), DType.FLOAT),
            (np.zeros((1, 2)), DType.RESOURCE),
        ],
    )
    def test_what_would_be_lost_is_an_error(self, array, dtype, tmp_path):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(SignatureError, match="input 'x'"):
            make(f"x=@{tmp_path / 'a.npy'}", dtype)

    def test_one_row_of_a_file_larger_than_memory_is_one_row(self, tmp_path):
        path = tmp_path / "large.npy"
        with path.open("wb") as stream:
            header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 36, 2)}
            np.lib.format.write_array_header_2_0(stream, header)
            stream.truncate(stream.tell() + (1 << 39))  # half a terabyte, all of it a hole
        assert make(f"x=@{path}", batch_size=3).tolist() == [[0, 0]] * 3


class TestFiles:
    def test_npz_and_json_are_chosen_from_by_name_or_key(self, tmp_path):
        np.savez(tmp_path / "one.npz", only=np.ones((1, 2)))
        np.savez(tmp_path / "two.npz", x=np.zeros((1, 2)), y=np.ones((1, 2)))
        (tmp_path / "a.json").write_text('{"x": [[1, 2]], "y": [[3, 4]]}')
        (tmp_path / "b.json").write_text("[[5, 6]]")
        assert make(f"x=@{tmp_path}/one.npz").tolist() == [[1, 1]]
        assert make(f"x=@{tmp_path}/two.npz").tolist() == [[0, 0]]
        assert make(f"x=@{tmp_path}/two.npz:y").tolist() == [[1, 1]]
        assert make(f"x=@{tmp_path}/a.json").tolist() == [[1, 2]]
        assert make(f"x=@{tmp_path}/a.json:y").tolist() == [[3, 4]]
        assert make(f"x=@{tmp_path}/b.json").tolist() == [[5, 6]]

    def test_a_name_that_an_npz_lacks_is_offered_the_others(self, tmp_path):
        np.savez(tmp_path / "two.npz", images=np.zeros(2), labels=np.ones(2))
        with pytest.raises(InputError, match="Known: images, labels"):
            make(f"x=@{tmp_path}/two.npz")
        with pytest.raises(InputError, match="Did you mean 'images'"):
            make(f"x=@{tmp_path}/two.npz:image")

    def test_whole_sets_come_from_npz_json_and_requests(self, tmp_path):
        request = PredictRequest({"x": np.array([[1, 2]], np.float32)}, "predict", ("y",))
        (tmp_path / "r.bin").write_bytes(encode_request(request))
        (tmp_path / "r.json").write_text(
            json.dumps(
                {
                    "signatureName": "predict",
                    "inputs": {"x": {"dtype": "DT_FLOAT", "arrayShape": {"dim": ["1", "2"]}, "floatVal": [1, 2]}},
                    "outputFilter": ["y"],
                }
            )
        )
        (tmp_path / "s.json").write_text('{"x": [[1, 2]]}')
        np.savez(tmp_path / "s.npz", x=np.array([[1, 2]]))
        for name in ("r.bin", "r.json", "s.json", "s.npz"):
            assert make(f"@{tmp_path / name}").tolist() == [[1, 2]], name
        for name in ("r.bin", "r.json"):
            held = given_request(parse_inputs([f"@{tmp_path / name}"]))
            assert (held.signature_name, held.output_filter) == ("predict", ("y",)), name
        assert given_request(parse_inputs([f"@{tmp_path}/s.json", f"@{tmp_path}/s.npz"])) is None

    def test_json_with_an_input_called_inputs_is_no_request(self, tmp_path):
        (tmp_path / "s.json").write_text('{"inputs": [[1, 2]]}')
        assert make_inputs(parse_inputs([f"@{tmp_path}/s.json"]), one(name="inputs"))["inputs"].shape == (1, 2)

    def test_binary_and_json_requests_are_the_same_as_protobufs_own(self, tmp_path):
        from google.protobuf import json_format

        message = proto.message("PredictRequest")(signature_name="s")
        message.inputs["x"].dtype = 7
        message.inputs["x"].array_shape.dim.extend([1, 2])
        message.inputs["x"].string_val.extend([b"\xff\x00", b"a"])
        (tmp_path / "r.json").write_text(json_format.MessageToJson(message))
        (tmp_path / "r.bin").write_bytes(message.SerializeToString())
        for name in ("r.json", "r.bin"):
            assert make(f"@{tmp_path / name}", DType.STRING).tolist() == [[b"\xff\x00", b"a"]]

    def test_rows_of_literals_and_requests_are_told_from_samples(self, tmp_path, rows):
        (tmp_path / "r.bin").write_bytes(encode_request(PredictRequest({"x": np.zeros((3, 2), np.float32)})))
        assert given_rows(parse_inputs(["x=[[1, 2], [3, 4]]"]), one()) == {2}
        assert given_rows(parse_inputs([f"@{tmp_path}/r.bin"]), one()) == {3}
        assert given_rows(parse_inputs([f"x=@{rows}"]), one()) == set()
        assert given_rows(parse_inputs(["x=random"]), one()) == set()

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.npy", b"", "no npy"),
            ("a.npy", b"hello world", "no npy"),
            ("a.npz", b"hello world", "no npz"),
            ("a.npz", b"", "no npz"),
            ("a.json", b"", "no JSON"),
            ("a.json", b"[" * 200_000, "no JSON"),
            ("a.json", b'"\xff"', "no JSON"),
            ("a.xml", b"1,2", "no file of samples"),
        ],
    )
    def test_a_file_of_another_kind_is_an_input_error(self, name, content, message, tmp_path):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            make(f"x=@{tmp_path / name}")

    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.json"])
    def test_a_missing_file_or_a_folder_is_an_input_error(self, name, tmp_path):
        with pytest.raises(InputError, match="does not exist"):
            make(f"x=@{tmp_path / name}")
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match="cannot be read"):
            make(f"x=@{tmp_path / name}")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.bin", b"", "empty"),
            ("a.bin", b"\x93NUMPY", "no PredictRequest"),
            ("a.json", b"[1]", "JSON list: expected an object"),
            ("a.json", b'{"inputs": {"x": {"dtype": "DT_NONE"}}}', "no PredictRequest as protobuf JSON"),
            (
                "a.json",
                b'{"inputs": {"x": {"dtype": "DT_FLOAT", "arrayShape": {"dim": [3]}}}}',
                "no valid PredictRequest",
            ),
        ],
    )
    def test_a_set_that_is_none_is_an_input_error(self, name, content, message, tmp_path):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            make(f"@{tmp_path / name}")

    def test_an_array_without_a_name_is_told_to_have_one(self, rows):
        with pytest.raises(InputError, match=f"NAME=@{rows}"):
            make(f"@{rows}")

    def test_pickled_objects_are_never_loaded(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array(["a", None], dtype=object), allow_pickle=True)
        np.savez(tmp_path / "a.npz", x=np.array(["a", None], dtype=object))
        for name in ("a.npy", "a.npz"):
            with pytest.raises(InputError, match=r"pickled(?s:.*)astype\('S'\)"):
                make(f"x=@{tmp_path / name}", DType.STRING, (None,))

    @pytest.mark.parametrize("dtype", ["M8[s]", [("a", "f4"), ("b", "f4")], "V7"])
    def test_dtypes_that_tensorflow_has_not_are_refused(self, dtype, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros(2, dtype))
        with pytest.raises(InputError, match="no such dtype"):
            make(f"x=@{tmp_path / 'a.npy'}")

    @pytest.mark.parametrize(
        "shape", ["(1000000000000, 784)", "(10**30, 2)", "(-1, 2)", "(1.5, 2)", "3", "(0, 10**40)"]
    )
    def test_a_header_that_claims_more_than_the_file_has_is_refused(self, shape, tmp_path):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
        data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0" * 64
        (tmp_path / "a.npy").write_bytes(data)
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("x.npy", data)
        for name in ("a.npy", "a.npz"):
            with pytest.raises(InputError, match=r"cut off|damaged npy header"):
                make(f"x=@{tmp_path / name}")

    def test_empty_arrays_are_arrays(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((0, 2)))
        np.savez(tmp_path / "a.npz", x=np.zeros((0, 2)))
        for name in ("a.npy", "a.npz"):
            assert make(f"x=@{tmp_path / name}", batch_size=None).shape == (0, 2)

    def test_a_truncated_npz_is_an_input_error(self, tmp_path):
        np.savez_compressed(tmp_path / "a.npz", x=np.arange(2000.0).reshape(1000, 2))
        data = (tmp_path / "a.npz").read_bytes()
        broken = bytearray(data)
        broken[len(data) // 2] ^= 0xFF
        for content in (data[: len(data) // 2], bytes(broken)):
            (tmp_path / "b.npz").write_bytes(content)
            with pytest.raises(InputError):
                make(f"x=@{tmp_path / 'b.npz'}")

    @settings(max_examples=200, deadline=None)
    @given(data=st.data())
    def test_damaged_files_give_a_value_or_an_error_of_ours(self, data, tmp_path_factory):
        """Bytes are flipped, cut off and put in: never a traceback."""
        stream = io.BytesIO()
        array = np.arange(6, dtype=np.float32).reshape(3, 2)
        suffix = data.draw(st.sampled_from([".npy", ".npz"]))
        np.save(stream, array) if suffix == ".npy" else np.savez_compressed(stream, x=array)
        content = bytearray(stream.getvalue())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
        path.write_bytes(content)
        try:
            assert make(f"x=@{path}").shape == (1, 2)
        except TfkitError as error:
            assert isinstance(error, InputError)  # noqa: PT017  # a value is fine too


class TestRandom:
    def test_the_same_seed_gives_the_same_values_and_another_seed_others(self):
        assert make("x=random", batch_size=4).tolist() == make("x=random", batch_size=4).tolist()
        assert make("x=random", batch_size=4).tolist() != make("x=random", batch_size=4, seed=1).tolist()

    def test_another_input_does_not_change_the_values_of_this_one(self):
        both = Signature("s", (TensorSpec("w", DType.FLOAT, (None, 2)), TensorSpec("x", DType.FLOAT, (None, 2))), ())
        arrays = make_inputs(parse_inputs(["w=random", "x=random"]), both)
        assert arrays["x"].tolist() == make("x=random").tolist()
        assert arrays["x"].tolist() != arrays["w"].tolist()

    @pytest.mark.parametrize("dtype", [each for each in NUMPY_DTYPES if each is not DType.STRING])
    def test_every_dtype_is_made_up_inside_its_default_range(self, dtype):
        array = make("x=random", dtype, (None, 50), batch_size=4)
        check_array(TensorSpec("x", dtype, (None, 50)), array)
        plain = array[array.dtype.names[0]] if array.dtype.names else array
        numbers = np.abs(plain.astype(np.complex128)) if array.dtype.kind == "c" else plain.astype(np.float64)
        assert numbers.min() >= 0
        assert numbers.max() <= {DType.UINT8: 255}.get(dtype, 9)
        assert len(np.unique(numbers)) > 1

    def test_bounds_are_kept_and_the_upper_one_is_not_drawn(self):
        assert set(make("x=random:-2:1", DType.INT8, (None,), batch_size=200).tolist()) == {-2, -1, 0}
        floats = make("x=random:5:6.5", batch_size=200)
        assert floats.min() >= 5
        assert floats.max() <= 6.5
        assert make("x=random:0:18446744073709551616", DType.UINT64, (None,), batch_size=9).max() > 2**60

    @pytest.mark.parametrize(
        ("dtype", "bounds"),
        [
            (DType.INT8, "0:1000"),
            (DType.INT32, "0.5:2"),
            (DType.STRING, "0:1"),
            (DType.BOOL, "0:1"),
            (DType.HALF, "0:1e6"),
        ],
    )
    def test_bounds_that_the_dtype_cannot_hold_are_errors(self, dtype, bounds):
        with pytest.raises(SignatureError, match="input 'x'"):
            make(f"x=random:{bounds}", dtype)

    @pytest.mark.parametrize("dtype", [DType.INT32, DType.INT64, DType.FLOAT, DType.UINT8])
    def test_an_index_stays_inside_its_table(self, dtype):
        array = make("x=random", dtype, (None,), batch_size=100, domains={"x": IntRange(0, 3)})
        assert sorted(set(array.tolist())) == [0, 1, 2]

    def test_a_range_beyond_the_dtype_is_cut_to_it(self):
        array = make("x=random", DType.INT8, (None,), batch_size=500, domains={"x": IntRange(0, 1000)})
        assert array.min() >= 0

    def test_a_lookup_gets_its_keys_and_one_unknown(self):
        domains = {"x": Vocabulary((b"red", b"green"))}
        array = make("x=random", DType.STRING, (None,), batch_size=3, domains=domains)
        assert sorted(array.tolist()) == [b"green", b"red", b"unknown"]
        numbers = make("x=random", DType.INT64, (None,), batch_size=3, domains={"x": Vocabulary((1, 2))})
        assert sorted(numbers.tolist()) == [1, 2, 3]

    def test_a_parser_gets_messages_with_what_it_reads(self):
        arrays = make("x=random", DType.STRING, (None,), batch_size=20, domains={"x": PARSED})
        again = make("x=random", DType.STRING, (None,), batch_size=20, domains={"x": PARSED})
        assert arrays.tolist() == again.tolist()
        counts = set()
        for message in map(proto.message("tensorflow.SequenceExample").FromString, arrays):
            held = message.context.feature
            ids, weights = held["ids"].int64_list.value, held["weights"].float_list.value
            assert len(ids) == len(weights)
            assert set(ids) <= {0, 1, 2}
            assert len(held["rows"].float_list.value) == 2 * max(len(ids), 1)
            assert len(held["words"].bytes_list.value) == 4
            steps = message.feature_lists.feature_list["steps"].feature
            assert all(len(step.float_list.value) == 2 for step in steps)
            counts.add((len(ids), len(steps)))
        assert {values for values, _ in counts} == {0, 1, 2, 3}
        assert {steps for _, steps in counts} == {1, 2, 3}

    def test_zeros_of_a_parser_are_messages_of_zeros(self):
        (text,) = make("x=zeros", DType.STRING, (None,), domains={"x": PARSED})
        message = proto.message("tensorflow.SequenceExample").FromString(text)
        assert list(message.context.feature["words"].bytes_list.value) == [b""] * 4
        assert list(message.context.feature["ids"].int64_list.value) == [0]

    @pytest.mark.parametrize("how", ["random", "zeros"])
    def test_messages_too_large_to_send_are_not_made(self, how):
        huge = Examples((Feature("a", DType.FLOAT, (1 << 20, 1 << 20)),))
        with pytest.raises(SignatureError, match="feature 'a' would take"):
            make(f"x={how}", DType.STRING, (None,), domains={"x": huge})

    def test_a_closed_lookup_gets_nothing_but_its_keys(self):
        domains = {"x": Vocabulary((b"red", b"green"), closed=True)}
        array = make("x=random", DType.STRING, (None,), batch_size=50, domains=domains)
        assert set(array.tolist()) == {b"red", b"green"}

    def test_bounds_of_ones_own_override_the_graph(self):
        array = make("x=random:7:8", DType.INT32, (None,), domains={"x": IntRange(0, 3)})
        assert array.tolist() == [7]

    @pytest.mark.parametrize("seed", range(20))
    def test_rows_of_a_batch_differ_even_in_a_narrow_range(self, seed):
        array = make("x=random", DType.BOOL, (None,), batch_size=2, seed=seed)
        assert array[0] != array[1]

    def test_made_up_rows_are_as_many_as_given_ones(self):
        signature = Signature("s", (TensorSpec("a", DType.FLOAT, (None,)), TensorSpec("b", DType.FLOAT, (None,))), ())
        arrays = make_inputs(parse_inputs(["a=[1, 2, 3]", "b=random"]), signature, batch_size=None)
        assert arrays["b"].shape == (3,)

    def test_more_than_a_message_can_hold_is_refused(self):
        with pytest.raises(SignatureError, match="2 GiB"):
            make("x=zeros", shape=(None, 1 << 40))


class TestWithoutASignature:
    def test_options_imply_one(self, rows):
        options = parse_inputs([f"a=@{rows}", "b=[1, 2]", "c=[1.5]", 'd=["x"]', "e=[true]", "f:int64=[1]"])
        signature = signature_of(options, "s")
        assert {spec.name: spec.dtype.short_name for spec in signature.inputs} == {
            "a": "float64",
            "b": "int32",
            "c": "float32",
            "d": "string",
            "e": "bool",
            "f": "int64",
        }
        assert make_inputs(options, signature, batch_size=None)["a"].shape == (5, 2)

    def test_nothing_can_be_made_up(self):
        with pytest.raises(SignatureError, match="cannot be made up"):
            signature_of(parse_inputs(["x=random"]))


def test_a_request_that_is_none_is_a_message_error(tmp_path):
    (tmp_path / "r.json").write_text('{"x": [1]}')
    from tfkit.inputs import read_request

    with pytest.raises(MessageError, match="protobuf JSON"):
        read_request(tmp_path / "r.json")


class TestWhatIsRefusedInPlainWords:
    @pytest.mark.parametrize("option", ["x=@{}pipe", "x=@{}pipe.npy", "x=@{}pipe.npz", "x=@{}pipe.json", "@{}pipe"])
    def test_a_file_that_may_never_end_is_not_opened(self, tmp_path, option):
        for suffix in ("", ".npy", ".npz", ".json"):
            os.mkfifo(tmp_path / f"pipe{suffix}")
        with pytest.raises(InputError, match="no regular file"):
            make(option.format(f"{tmp_path}/"))

    def test_a_missing_file_without_a_known_suffix_does_not_exist(self, tmp_path):
        with pytest.raises(InputError, match="nothere does not exist"):
            make(f"x=@{tmp_path / 'nothere'}")

    def test_a_name_too_long_is_an_input_error(self):
        with pytest.raises(InputError, match="too long"):
            make(f"x=@{'n' * 300}.npz:key")

    def test_a_number_beyond_every_float_is_no_infinity(self, tmp_path):
        with pytest.raises(InputError, match="1e400: that is larger than any float"):
            make("x=[[1e400, 1]]", DType.DOUBLE)
        (tmp_path / "x.json").write_text("[[-1e999, 1]]")
        with pytest.raises(InputError, match="-1e999: that is larger"):
            make(f"x=@{tmp_path / 'x.json'}")
        assert make("x=[[Infinity, 1]]").tolist() == [[np.inf, 1]]

    def test_a_lone_surrogate_is_no_text(self):
        with pytest.raises(SignatureError, match="no UTF-8 text"):
            make(r'x=["\ud800"]', DType.STRING, (None,))
        with pytest.raises(SignatureError, match="no UTF-8 text"):
            make_inputs(options_from({"x": np.array(["\ud800"])}), one(DType.STRING, (None,)))

    @pytest.mark.parametrize(("typed", "meant"), [("rand", "random"), ("ramdom:0:1", "random"), ("zero", "zeros")])
    def test_a_misspelt_word_is_offered(self, typed, meant):
        with pytest.raises(UsageError) as caught:
            parse_inputs([f"x={typed}"])
        assert caught.value.hint == f"Did you mean {meant}?"


def test_a_literal_of_unknown_rank_keeps_all_that_was_written(rows):
    assert make("x=[[1, 2], [3, 4]]", shape=None, batch_size=1).tolist() == [[1, 2], [3, 4]]
    assert make("x=[[1, 2], [3, 4]]", shape=None, batch_size=3).tolist() == [[1, 2], [3, 4]]
    assert make(f"x=@{rows}", shape=None, batch_size=1).tolist() == [[0, 1]]
