"""CSV, JSON lines and text as samples."""

import re

import pytest

from tfkit.errors import InputError, SignatureError, UsageError
from tfkit.inputs import parse_inputs, signature_of
from tfkit.tensors import DType


@pytest.fixture
def file(tmp_path):
    """Writes a file and gives its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


class TestCsv:
    @pytest.mark.parametrize("header", ["", "a,b\r\n", "\ufeffa,b\n"])
    def test_a_table_of_numbers_has_a_header_or_none(self, file, make, header):
        path = file("x.csv", f"{header}1,2.5\n\n3,-4e1\n")
        assert make(f"x=@{path}")["x"].tolist() == [[1, 2.5], [3, -40]]
        assert make(f"@{path}")["x"].tolist() == [[1, 2.5], [3, -40]]

    def test_names_may_be_numbers_above_a_column_of_texts(self, file, make):
        path = file("x.csv", "name,2019,2020\nAnn,1,2\n")
        assert make(f"x=@{path}:2020", inputs={"x": (DType.FLOAT, (None,))})["x"].tolist() == [2]

    def test_of_a_table_a_batch_has_the_first_rows(self, file, make):
        path = file("x.csv", "1,2\n3,4\n5,6\n")
        assert make(f"x=@{path}", batch_size=2)["x"].tolist() == [[1, 2], [3, 4]]
        with pytest.raises(SignatureError, match="3 rows: expected at least 4"):
            make(f"x=@{path}", batch_size=4)

    def test_a_row_takes_the_shape_of_the_input(self, file, make):
        path = file("x.csv", "1,2,3,4\n5,6,7,8\n")
        assert make(f"x=@{path}", inputs={"x": (DType.UINT8, (None, 2, 2, 1))})["x"].shape == (2, 2, 2, 1)
        assert make(f"x=@{path}", inputs={"x": (DType.INT32, (None, None, 2))})["x"].shape == (2, 2, 2)

    @pytest.mark.parametrize("header", ["", "f0,f1,f2,label\n"])
    def test_columns_that_are_no_row_together_are_counted(self, file, make, header):
        path = file("x.csv", f"{header}1,2,3,cat\n" if header else "1,2,3,4\n")
        with pytest.raises(InputError, match=r"4 columns for input 'x', a row of which has 3 values") as caught:
            make(f"@{path}", inputs={"x": (DType.FLOAT, (None, 3))})
        assert "a label" in caught.value.hint

    def test_all_columns_are_a_row_of_the_only_input_of_numbers_that_takes_as_many(self, file, make):
        path = file("x.csv", "f0,f1,f2,f3\n1,2,3,4\n")
        inputs = {"word": (DType.STRING, (None,)), "x": (DType.FLOAT, (None, 2, 2)), "y": (DType.FLOAT, (None, 3))}
        arrays = make(f"@{path}", 'word=["a"]', "y=zeros", inputs=inputs)
        assert arrays["x"].tolist() == [[[1, 2], [3, 4]]]
        inputs["y"] = (DType.FLOAT, (None, 4))
        with pytest.raises(SignatureError, match="no column for any input") as caught:
            make(f"@{path}", 'word=["a"]', inputs=inputs)
        assert f"x=@{path}" in caught.value.hint

    def test_a_column_is_no_row_of_a_vector(self, file, make):
        path = file("x.csv", "id,f0,f1\na,1,2\n")
        inputs = {"id": (DType.STRING, (None,)), "x": (DType.FLOAT, (None, 2))}
        with pytest.raises(SignatureError, match="no column 'x'") as caught:
            make(f"@{path}", inputs=inputs)
        assert "in a file of its own" in caught.value.hint

    def test_columns_are_taken_by_name(self, file, make):
        path = file("people.csv", 'name,age,member,note\n"Doe, Jane",41,true,"say ""hi"""\nBob,7,0,\n')
        inputs = {
            "name": (DType.STRING, (None,)),
            "age": (DType.INT64, (None, 1)),
            "member": (DType.BOOL, (None,)),
        }
        arrays = make(f"@{path}", inputs=inputs)
        assert arrays["name"].tolist() == [b"Doe, Jane", b"Bob"]
        assert arrays["age"].tolist() == [[41], [7]]
        assert arrays["member"].tolist() == [True, False]
        text = make(f"x=@{path}:note", inputs={"x": (DType.STRING, (None,))})["x"]
        assert text.tolist() == [b'say "hi"', b""]
        assert make(f"age=@{path}", inputs={"age": (DType.FLOAT, (None,))})["age"].tolist() == [41, 7]

    def test_an_input_without_a_column_is_not_made_up_silently(self, file, make):
        path = file("x.csv", "wrod,age\na,1\n")
        inputs = {"word": (DType.STRING, (None,)), "age": (DType.FLOAT, (None,))}
        with pytest.raises(SignatureError, match="no column 'word'") as caught:
            make(f"@{path}", inputs=inputs)
        assert "'wrod'" in caught.value.hint
        assert make(f"@{path}", "word=random", inputs=inputs)["age"].tolist() == [1]
        assert make(f"@{path}", f"word=@{path}:wrod", inputs=inputs)["word"].tolist() == [b"a"]

    @pytest.mark.parametrize(
        ("content", "option", "message"),
        [
            ("a,b\n1,\n", "x=@x.csv", "line 2: column 'b' has no value: expected float32"),
            ("a,b\n1,2\n3,NA\n", "x=@x.csv", "line 3: column 'b' holds 'NA'"),
            ("1,2\n3,1_0\n", "x=@x.csv", "line 2: column '2' holds '1_0'"),
            ("1,2\n3,1e999\n", "x=@x.csv", "line 2: column '2' holds '1e999'"),
            ("1,2\n3,1e300\n", "x=@x.csv", "line 2: input 'x' holds 1e[+]300"),
            ("a,b\n1,2,3\n", "x=@x.csv", "line 2 has 3 values: expected 2"),
            ("a,b\n1,2\n3\n", "x=@x.csv", "line 3 has 1 values: expected 2"),
            ("a,a\n1,2\n", "x=@x.csv", "two columns called 'a'"),
            ('a,b\n"1,2\n', "x=@x.csv", "no CSV: unexpected end of data"),
            ('a,b\n"1"2,2\n', "x=@x.csv", "line 2 is no CSV"),
            (b"a,b\n\xff,1\n", "x=@x.csv", "line 2 is no UTF-8"),
            (b"\x00\x01\x02,\x89PNG", "x=@x.csv", "no UTF-8"),
            ("", "x=@x.csv", "holds no rows"),
            ("", "@x.csv", "holds no rows"),
            ("\n\n", "@x.csv", "holds no rows"),
            ("a;b\n1;0,5\n", "x=@x.csv", "semicolons between its values: expected commas"),
            ("1\t2\n3\t4\n", "@x.csv", "tabs between its values: expected commas"),
            ("a,b\n", "x=@x.csv", "holds no rows"),
            ("1,2\n", "x=@x.csv:a", "its first line holds numbers, and no names"),
            ("1,\n3,4\n", "x=@x.csv", "line 1: column '2' has no value"),
            ("1,N/A\n3,n/a\n", "x=@x.csv", "line 1: column '2' holds 'N/A'"),
            ("1,?", "@x.csv", "line 1: column '2' holds '[?]'"),
            ("one,2\n3,4\n", "x=@x.csv", "line 1: column '1' holds 'one'"),
            ("a,b\n1,2\n", "x=@x.csv:c", "no column 'c'"),
            ("a,b\n" + "9" * 200_000 + ",1", "x=@x.csv", "field larger than field limit"),
            ("a,b\n" + "9" * 100_000 + ",1", "x=@x.csv", "holds '999"),
        ],
    )
    def test_what_is_wrong_is_told_with_line_and_column(self, file, make, monkeypatch, content, option, message):
        monkeypatch.chdir(file("x.csv", content).parent)
        with pytest.raises(InputError, match=message):
            make(option)

    @pytest.mark.parametrize(
        ("content", "hint"),
        [
            ("a,b\r1,2\r", "convert them to line feeds"),
            ("a,b\n1," + "9" * 200_000, r"go into a \.jsonl"),
            ('a,b\n"1,2\n', "never closed"),
            ("a,b\n1,\xfc\n".encode("latin-1"), "in UTF-8"),
        ],
    )
    def test_what_no_table_is_has_advice(self, file, make, content, hint):
        with pytest.raises(InputError) as caught:
            make(f"x=@{file('x.csv', content)}")
        assert re.search(hint, caught.value.hint)

    def test_a_column_of_texts_may_hold_other_separators(self, file, make):
        path = file("x.csv", "text;\na;b;c\nd\n")
        assert make(f"x=@{path}", inputs={"x": (DType.STRING, (None,))})["x"].tolist() == [b"a;b;c", b"d"]

    def test_which_column_is_asked_where_it_is_not_clear(self, file, make):
        path = file("x.csv", "a,b\n1,2\n")
        with pytest.raises(InputError, match="no column 'x'") as caught:
            make(f"x=@{path}", inputs={"x": (DType.FLOAT, (None,))})
        assert f"x=@{path}:COLUMN" in caught.value.hint
        with pytest.raises(SignatureError, match="no column for any input") as caught:
            make(f"@{path}", inputs={"A": (DType.FLOAT, (None,)), "y": (DType.FLOAT, (None,))})
        assert "Did you mean 'a'?" in caught.value.hint

    def test_a_service_that_does_not_say_what_it_takes_gets_the_columns(self, file):
        path = file("x.csv", "a,b,c\n1,2.5,hi\n")
        found = {spec.name: spec.dtype for spec in signature_of(parse_inputs([f"@{path}"])).inputs}
        assert found == {"a": DType.INT32, "b": DType.FLOAT, "c": DType.STRING}


class TestJsonLines:
    def test_a_line_is_a_row(self, file, make):
        path = file("x.jsonl", "[1, 2]\n\n[3, 4]\r\n")
        assert make(f"x=@{path}")["x"].tolist() == [[1, 2], [3, 4]]
        path = file("w.ndjson", '"a"\n{"b64": "/w=="}\n')
        assert make(f"x=@{path}", inputs={"x": (DType.STRING, (None,))})["x"].tolist() == [b"a", b"\xff"]

    def test_an_input_that_the_first_line_lacks_is_not_made_up_silently(self, file, make):
        path = file("x.jsonl", '{"x": [1, 2]}\n{"x": [3, 4], "id": 5}\n')
        inputs = {"x": (DType.FLOAT, (None, 2)), "id": (DType.INT64, (None,))}
        with pytest.raises(InputError, match="line 1: its object has no 'id'"):
            make(f"@{path}", inputs=inputs, batch_size=1)
        assert make(f"@{path}", "id=[1]", inputs=inputs, batch_size=1)["id"].tolist() == [1]

    def test_a_line_is_an_object_of_inputs(self, file, make):
        path = file("x.jsonl", '{"x": [1, 2], "label": 3}\n{"x": [3, 4], "label": 5}\n')
        assert make(f"@{path}")["x"].tolist() == [[1, 2], [3, 4]]
        assert make(f"x=@{path}", batch_size=1)["x"].tolist() == [[1, 2]]
        assert make(f"x=@{path}:label", inputs={"x": (DType.INT64, (None,))})["x"].tolist() == [3, 5]

    def test_a_single_value_is_the_row_of_an_input_that_takes_one_in_a_list(self, file, make):
        path = file("x.jsonl", '{"x": 1, "word": "a"}\n{"x": 2, "word": "b"}\n')
        arrays = make(f"@{path}", inputs={"x": (DType.FLOAT, (None, 1)), "word": (DType.STRING, (None, 1))})
        assert arrays["x"].tolist() == [[1], [2]]
        assert arrays["word"].tolist() == [[b"a"], [b"b"]]

    def test_rows_of_uneven_shapes_make_no_batch_and_one_row_does(self, file, make):
        path = file("x.jsonl", "[1, 2]\n[3]\n")
        inputs = {"x": (DType.INT32, (None, None))}
        assert make(f"x=@{path}", batch_size=1, inputs=inputs)["x"].tolist() == [[1, 2]]
        with pytest.raises(SignatureError, match=r"line 2 has shape \[1\].*before it \[2\]"):
            make(f"x=@{path}", inputs=inputs)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("[1, 2]\n[1, 2\n", "line 2: it is no JSON: Expecting ',' delimiter, at character 6"),
            ("[1, 2]\n" + "[" * 200_000 + "\n", "line 2: it is no JSON"),
            ("[" * 200_000, "line 1: it is no JSON"),
            ('[1, 2]\n[1, "a"]\n', "line 2: input 'x' holds 'a'"),
            ("[1, 2]\n[1, 1e999]\n", "line 2: it holds 1e999"),
            ("[1, 2]\n[1, null]\n", "line 2: input 'x' holds None"),
            ('{"x": [1, 2]}\n{"y": [1, 2]}\n', "line 2: its object has no 'x'"),
            ('{"x": [1, 2]}\n[1, 2]\n', "line 2: another value than an object"),
            ('{"y": 1}\n{"y": 1, "x": [1, 2]}\n', "line 1: its object has no 'x'"),
            ('{"y": [1, 2]}\n{"z": 1}\n', "has no column 'x'"),
            (b"[1, 2]\n\xff\n", "line 2 is no UTF-8"),
            ("1\n2\n", r"x\.jsonl: input 'x' has shape \[2\]: expected"),
            ("\n\n", "holds no rows"),
        ],
    )
    def test_what_is_wrong_is_told_with_the_line(self, file, make, content, message):
        path = file("x.jsonl", content)
        with pytest.raises(InputError, match=message):
            make(f"x=@{path}")


class TestText:
    def test_each_line_is_a_text(self, file, make):
        path = file("x.txt", "good film\r\n\ndull film")
        inputs = {"x": (DType.STRING, (None,))}
        assert make(f"x=@{path}", inputs=inputs)["x"].tolist() == [b"good film", b"", b"dull film"]
        assert make(f"@{path}", inputs=inputs, batch_size=1)["x"].tolist() == [b"good film"]
        assert make(f"x=@{path}", inputs={"x": (DType.STRING, ())})["x"].tolist() == b"good film"
        assert make(f"x=@{path}", inputs={"x": (DType.STRING, (None, 1))})["x"].tolist()[::2] == [
            [b"good film"],
            [b"dull film"],
        ]

    def test_text_for_numbers_and_bytes_for_text_are_errors(self, file, make):
        with pytest.raises(InputError, match=r"line 1: a line of text for input 'x': expected float32"):
            make(f"x=@{file('x.txt', '1 2')}")
        with pytest.raises(InputError, match="line 2 is no UTF-8"):
            make(f"x=@{file('x.txt', bytes([97, 10, 255]))}", inputs={"x": (DType.STRING, (None,))})

    def test_which_input_is_asked_where_there_are_two(self, file, make):
        path = file("x.txt", "a\n")
        with pytest.raises(SignatureError, match="does not say which input"):
            make(f"@{path}", inputs={"x": (DType.STRING, (None,)), "y": (DType.STRING, (None,))})


def test_a_key_for_a_file_of_one_array_is_an_error(tmp_path, make):
    import numpy as np

    np.save(tmp_path / "x.npy", np.ones((1, 2)))
    with pytest.raises(InputError, match="without a name"):
        make(f"x=@{tmp_path}/x.npy:0:1")
    with pytest.raises(UsageError):
        make("x=@")
