"""The zoo: models of every kind, each lowered to every processor and run there, beside what its source computes.

    python -m tests.zoo.make FOLDER [NAMES]     makes the models: FOLDER/NAME/model/ and FOLDER/NAME/recorded.json
    python -m tests.zoo [NAMES] [--quick]       lowers and runs them all, and prints the matrix
    make zoo                                    the same with the big ones and the real ones, into docs/zoo.md

A kind of model is a function marked ``@kind`` in one of the files that ``kinds.FAMILIES`` names. Only those import
TensorFlow, and only ``make`` imports them; what they record is read without it: ``read_record(FOLDER / NAME)``.
"""
