"""What a scan finds in folders and archives on the path, and what it passes over."""

import sys
import zipfile

import pytest

from blocks_core.discovery import read_offers

POINTS = "[console_scripts]\nx = acme:main\n\n[blocks.types]\n# the only one\nacme-bucket = acme:Bucket\n"


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Put a folder before all others on the path, with distributions in it: folder name -> entry points."""

    def put(name, distributions):
        for folder, text in distributions.items():
            info = tmp_path / name / folder
            info.mkdir(parents=True)
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme_things\nVersion: 1.0\n")
            (info / "entry_points.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setattr(sys, "path", [str(tmp_path / name), *sys.path])
        return tmp_path / name

    return put


def found(name):
    return [
        (offer.target, offer.distribution, offer.distribution_version)
        for offer in read_offers("blocks.types")
        if offer.name == name
    ]


def test_a_distribution_is_called_as_people_install_it(on_path):
    on_path("site", {"acme_things-1.0.dist-info": POINTS})
    assert found("acme-bucket") == [("acme:Bucket", "acme-things", "1.0")]


def test_of_two_versions_the_first_on_the_path_counts(on_path):
    on_path("later", {"acme_things-1.0.dist-info": POINTS})
    on_path("first", {"acme_things-2.0.dist-info": POINTS.replace("Bucket", "Pail")})
    assert found("acme-bucket") == [("acme:Pail", "acme-things", "2.0")]


def test_one_without_entry_points_hides_those_behind_it_too(on_path):
    on_path("later", {"acme_things-1.0.dist-info": POINTS})
    on_path("first", {"acme_things-2.0.dist-info": ""})
    assert found("acme-bucket") == []


@pytest.mark.parametrize(
    "text",
    [
        "no section\n" + POINTS,
        POINTS + "no equals sign\n= no name\nno-target =\n",
        POINTS + "[not closed\n",
        POINTS.replace("\n", "\r\n"),
        b"\xff\xfe = x:y\n" + POINTS.encode(),
        POINTS + "[blocks.types]\n; again\n",
        POINTS.replace(" = ", "="),
        "[blocks.types]\n  acme-bucket   =   acme:Bucket  ",
    ],
)
def test_of_a_malformed_file_what_can_be_read_is(text, on_path):
    on_path("site", {"acme_things-1.0.dist-info": text})
    assert found("acme-bucket") == [("acme:Bucket", "acme-things", "1.0")]
    assert found("string"), "what others offer is found all the same"


def test_an_archive_on_the_path_is_read(on_path, tmp_path, monkeypatch):
    site = on_path("site", {"acme_things-1.0.dist-info": POINTS})
    archive = tmp_path / "things.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in site.rglob("*"):
            file.write(path, path.relative_to(site))
    monkeypatch.setattr(sys, "path", [str(archive), *sys.path[1:]])
    assert found("acme-bucket") == [("acme:Bucket", "acme_things", "1.0")]


def test_what_is_no_folder_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "no archive").write_bytes(b"x")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nowhere"), str(tmp_path / "no archive"), *sys.path])
    assert found("string")
