"""The wheel is complete: in an environment that has only it and its dependencies, the command runs."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from processor import avro
from tests.processes import ROOT

TEMPLATES = sorted(path.relative_to(ROOT / "templates") for path in (ROOT / "templates").rglob("*") if path.is_file())


def _output(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel of this checkout.

    To be quick and to need no network, it borrows the dependencies from the one that runs the tests, through a .pth file;
    that does not lend it this checkout, because a .pth file is not read in a folder that another .pth file names.
    """
    built = tmp_path_factory.mktemp("wheel")
    _output(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built, ROOT, folder=built)
    (wheel,) = built.glob("senderwatch-*.whl")
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / version / "site-packages" / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check")
    _output(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, folder=built)
    return folder


def test_the_command_runs(environment: Path, tmp_path: Path) -> None:
    told = _output(environment / "bin" / "senderwatch", "--help", folder=tmp_path)
    assert "topics" in told


def test_schemas_and_templates_are_loaded_from_inside_the_package(environment: Path, tmp_path: Path) -> None:
    program = """
import processor
from processor import avro, resources
print(processor.__file__)
print(resources.folder("schemas"))
print(resources.folder("templates"))
print(*[f"{name}:{avro.fingerprint(name).hex()}" for name in avro.names()])
"""
    package, schemas, templates, loaded = _output(
        environment / "bin" / "python", "-c", program, folder=tmp_path
    ).splitlines()
    inside = Path(package).parent
    assert inside.is_relative_to(environment)
    assert (Path(schemas), Path(templates)) == (inside / "schemas", inside / "templates")
    assert loaded.split() == [f"{name}:{avro.fingerprint(name).hex()}" for name in avro.names()]
    assert sorted(path.relative_to(templates) for path in Path(templates).rglob("*") if path.is_file()) == TEMPLATES


def test_the_pieces_of_the_audit_s_page_are_in_it(environment: Path, tmp_path: Path) -> None:
    program = "from processor.cli.audit_files import page_templates; print(*sorted(page_templates()))"
    told = _output(environment / "bin" / "python", "-c", program, folder=tmp_path)
    assert told.split() == sorted(path.name for path in (ROOT / "processor" / "audit" / "html").iterdir())


def test_nothing_but_the_package_is_installed(environment: Path) -> None:
    (site,) = (environment / "lib").glob("python*/site-packages")
    installed = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert installed == {"processor", "borrowed.pth"}
