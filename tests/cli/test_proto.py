"""``tfkit proto`` prints what others build requests with."""

import json
import subprocess
import sys

import jsonschema


def tfkit_proto(*options):
    command = [sys.executable, "-m", "tfkit.cli", "proto", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_printed_definitions_compile_to_the_same_messages(tmp_path):
    from google.protobuf import descriptor_pb2

    (tmp_path / "printed.proto").write_text(tfkit_proto())
    # In a process of its own: protoc does not bear other libraries beside it that hold a protobuf.
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={tmp_path}"]
    subprocess.run([*protoc, f"--descriptor_set_out={tmp_path}/out", f"{tmp_path}/printed.proto"], check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "out").read_bytes())
    assert {"ArrayProto", "ArrayShape", "PredictRequest", "PredictResponse"} <= {
        message.name for message in files.file[0].message_type
    }


def test_the_schema_is_one_and_takes_the_documents_example():
    schema = json.loads(tfkit_proto("--structure-schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    example = {
        "inputs": [{"name": "images", "shape": [-1, 784], "type": "DT_FLOAT"}],
        "outputs": [{"name": "scores", "shape": [-1, 10], "type": "DT_FLOAT"}],
        "signature_name": "predict_images",
    }
    jsonschema.validate(example, schema)
