"""Files of flags: what they mean, and that reading them always ends, with a sentence."""

import os

import pytest

from wae_tf import main
from wae_tf.cli import arguments, flagfiles
from wae_tf.cli.flagfiles import Reader
from wae_tf.errors import FlagError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_nested_files_stand_at_their_place(write):
    write("b", "--b=1\n\n# a comment\n// another\n")
    path = write(
        "a", f"--first=1\n  --flagfile={write('c', '--c')}\n--flagfile={write('b', '--b')}\n-x=y\n"
    )
    # Indented lines are flags too, a file's among them.
    assert Reader().read(path) == ["--first=1", "--c", "--b", "-x=y"]


def chain(write, tmp_path, length, times):
    for index in range(length):
        write(f"f{index}", f"--flagfile={tmp_path}/f{index + 1}\n" * times)
    write(f"f{length}", "--zdim=2\n")
    return tmp_path / "f0"


def test_chains_as_long_as_is_accepted(write, tmp_path):
    path = chain(write, tmp_path, flagfiles.MOST_FILES - 1, 1)
    assert Reader().read(path) == ["--zdim=2"]


@pytest.mark.parametrize(("length", "times"), [(1500, 1), (40, 2)])
def test_longer_chains_and_exponential_ones_are_a_sentence(write, tmp_path, length, times):
    with pytest.raises(FlagError, match="100 files of flags are accepted"):
        Reader().read(chain(write, tmp_path, length, times))


def test_what_has_no_end_is_a_sentence(write, tmp_path):
    path = write("itself", f"--flagfile={tmp_path}/itself\n")
    with pytest.raises(FlagError, match="names itself"):
        Reader().read(path)
    os.mkfifo(tmp_path / "fifo")
    for endless in ("/dev/zero", tmp_path / "fifo", tmp_path):
        with pytest.raises(FlagError, match=r"is no file of text|cannot be read"):
            Reader().read(write("names", f"--flagfile={endless}\n"))


def test_too_much_is_a_sentence(write):
    with pytest.raises(FlagError, match="10000 lines are accepted"):
        Reader().read(write("lines", "--zdim=2\n" * 20_000))
    with pytest.raises(FlagError, match="1000000 bytes are accepted"):
        Reader().read(write("long", "-" * 1_000_001))
    half = write("half", "--zdim=2\n" * 6_000)
    with pytest.raises(FlagError, match="10000 lines are accepted"):
        arguments.split_flagfiles([f"--flagfile={half}", f"--flagfile={half}"])


def test_bytes_that_are_no_text_are_a_sentence(write, tmp_path):
    (tmp_path / "bytes").write_bytes(b"--work_dir=\xff\n")
    with pytest.raises(FlagError, match="no UTF-8"):
        Reader().read(tmp_path / "bytes")
    with pytest.raises(FlagError, match="has a control character"):
        Reader().read(write("nul", "--flagfile=a\0b\n"))


def test_what_editors_and_people_write(write, tmp_path, monkeypatch):
    write("bom.flags", "\ufeff--zdim=5\r\n  # mine\r\n\t--lr=0.5  \r\n\t// too\r\n")
    assert Reader().read(tmp_path / "bom.flags") == ["--zdim=5", "--lr=0.5"]
    # A file that another names may lie where the command runs, else beside it, or below home.
    (tmp_path / "sub").mkdir()
    write("sub/b.flags", "--zdim=6")
    write("sub/a.flags", "--flagfile=b.flags")
    assert arguments.parse([f"--flagfile={tmp_path / 'sub' / 'a.flags'}"])[1].zdim == 6
    write("b.flags", "--zdim=7")
    monkeypatch.chdir(tmp_path)
    assert arguments.parse(["--flagfile=sub/a.flags"])[1].zdim == 7
    monkeypatch.setenv("HOME", str(tmp_path / "sub"))
    assert arguments.parse(["--flagfile=~/b.flags"])[1].zdim == 6


def test_a_runs_own_flags_are_taken_to_the_letter(write, tmp_path):
    write("run.flags", "# Replays\n--data_dir=a \n--zdim=5\n")
    assert Reader(exact=True).read(tmp_path / "run.flags") == ["--data_dir=a ", "--zdim=5"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# mine\n\n--epochs=abc", "line 3: --epochs=abc is not a whole number."),
        (
            "--lr=0.1\n--epochz=2",
            "line 2: Unknown command line flag 'epochz'; did you mean --epochs?",
        ),
        ("--epochs 3", "line 1: Unknown command line flag 'epochs 3'; did you mean --epochs=3?"),
        ("zdim=3", "line 1: 'zdim=3' is not a flag;"),
        ("--zdim=3\n--zdim=-3", "line 2: --zdim=-3 is too small;"),
        ("--nojit=3", "line 1: --nojit=3 does not take an argument;"),
        ("--dataset=nothere", "line 1: --dataset=nothere is not known;"),
        ("--dataset=mnist\n--data_dir=/nowhere", "line 2: --data_dir=/nowhere does not exist:"),
        ("--image_size=32", "line 1: --image_size goes with --dataset="),
        ("--flagfile=absent.flags", "line 1: --flagfile=absent.flags is not there;"),
        ("\n--flagfile=/", "line 2: --flagfile=/ cannot be read: Is a directory."),
        ("--version", "line 1: --version is for the command line, not for a file."),
        ("--help=train", "line 1: --help=train is for the command line, not for a file."),
    ],
)
def test_mistakes_name_the_file_and_the_line(write, tmp_path, capsys, text, sentence):
    inner = write("in.flags", text)
    # From a file that another names, too.
    outer = write("out.flags", f"--epochs=2\n--flagfile={inner}\n")
    for given in (inner, outer):
        assert main.main([f"--flagfile={given}", f"--work_dir={tmp_path / 'run'}"]) in (1, 2)
        assert capsys.readouterr().err.startswith(f"wae_tf: {inner}, {sentence}")
    assert not (tmp_path / "run").exists()


def test_a_mistake_of_the_command_line_is_not_a_files(write, capsys):
    given = write("a.flags", "--lr=-1\n--noskip_bad_images\n")
    assert main.main([f"--flagfile={given}", "--lr=-2"]) == 2
    assert capsys.readouterr().err.startswith("wae_tf: --lr=-2.0 is too small")


def test_help_has_the_values_of_a_flagfile(write, capsys):
    path = write("own.flags", "--zdim=13\n")
    for asked in ("--help=train", "--helpfull"):
        assert main.main([f"--flagfile={path}", asked]) == 0
        assert "--zdim=13" in capsys.readouterr().out
    assert main.main(["--work_dir=ram://x", "--help"]) == 0


def test_a_path_that_cannot_be_looked_at_is_a_sentence(capsys):
    assert main.main([f"--flagfile={'x' * 300}.flags"]) == 2
    assert "cannot be read: File name too long." in capsys.readouterr().err
