"""Generated faces: pure functions of their address, and files of the field's shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.align.face_crop import TEMPLATE
from data_prep.errors import UserError
from data_prep.faces import synthetic
from data_prep.faces.geometry import camera, landmarks, project
from data_prep.faces.parameters import Capture, Identity, aged, draw_capture, draw_identity
from data_prep.faces.renderer import encode, render
from data_prep.faces.synthetic import (
    FOLDS,
    PAIR_FILES,
    PairFile,
    Photo,
    generate,
    photo_parameters,
    plan_pairs,
    render_photo,
)
from data_prep.pairs import read_pairs
from data_prep.recordio import RecordReader
from data_prep.training_set import read_index

IDENTITIES, IMAGES, SEED, PAIRS = 3, 4, 7, 40
FILES = sorted(["train.rec", "train.idx", "property", *(f"{f.name}.bin" for f in PAIR_FILES)])


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "set"
    generate(out, IDENTITIES, IMAGES, SEED, PAIRS, workers=1)
    return out


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# --- one face -----------------------------------------------------------------------------------


def test_a_face_is_an_rgb_crop_and_the_same_every_time() -> None:
    photo = Photo(0, 5, 3)
    person, capture = photo_parameters(1, photo)
    before = render(person, capture)
    render(Identity(), Capture())  # whatever else was rendered in between
    assert before.shape == (112, 112, 3)
    assert before.dtype == np.uint8
    assert np.array_equal(before, render(person, capture))


def test_a_face_is_skin_coloured_in_rgb_order() -> None:
    cheek = render(Identity(), Capture())[70:80, 35:42].reshape(-1, 3).mean(axis=0)
    assert cheek[0] > cheek[1] > cheek[2]


def test_encode_gives_the_same_colours_back() -> None:
    image = render(Identity(), Capture())
    data = np.frombuffer(encode(image, 95), np.uint8)
    decoded = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert np.abs(decoded.astype(float) - image).mean() < 4


@pytest.mark.parametrize("field", ["yaw", "pitch", "light_azimuth", "smile", "mouth_open", "age"])
def test_every_nuisance_changes_the_picture(field: str) -> None:
    neutral = render(Identity(), Capture()).astype(float)
    changed = render(Identity(), replace(Capture(), **{field: 0.9 if field != "yaw" else 40.0}))
    assert np.abs(changed - neutral).max() > 8


def test_average_frontal_face_has_its_landmarks_at_the_fields_five_points() -> None:
    view = camera(Identity(), Capture())
    assert np.abs(project(view, landmarks(Identity())) - TEMPLATE).max() < 2


def test_yaw_squeezes_the_eyes_and_moves_the_nose() -> None:
    turned = camera(Identity(), Capture(yaw=50.0))
    eye_a, eye_b, nose, mouth_a, mouth_b = project(turned, landmarks(Identity()))
    frontal = TEMPLATE[1, 0] - TEMPLATE[0, 0]
    height = (mouth_a + mouth_b - eye_a - eye_b)[1] / 2
    assert (eye_b - eye_a)[0] / height < 0.75 * frontal / (TEMPLATE[3, 1] - TEMPLATE[0, 1])
    assert nose[0] > (eye_a[0] + eye_b[0]) / 2 + 8


def test_the_far_cheek_is_hidden_in_profile() -> None:
    marked = replace(Identity(), moles=((-30.0, 10.0, 4.0),))

    def difference(yaw: float) -> int:
        capture = Capture(yaw=yaw)
        both = (render(who, capture).astype(int) for who in (marked, Identity()))
        return int(np.abs(next(both) - next(both)).max())

    assert difference(40.0) > 40  # the face turns to the right: its left cheek comes to the front
    assert difference(-60.0) == 0


def test_shapes_outside_the_picture_are_no_error() -> None:
    for yaw in (-90.0, 90.0):
        for zoom in (0.5, 2.5):
            assert render(Identity(), Capture(yaw=yaw, zoom=zoom)).any()


def test_people_differ_in_every_trait_and_stay_within_limits() -> None:
    people = [draw_identity(np.random.default_rng(k)) for k in range(200)]
    for name in ("head_width", "eye_spacing", "nose_length", "mouth_width", "skin_melanin"):
        values = [getattr(person, name) for person in people]
        assert len(set(values)) > 150
    assert min(p.skin_melanin for p in people) >= 0
    assert max(p.skin_melanin for p in people) <= 0.95


def test_age_changes_the_head_but_not_the_colours_of_a_person() -> None:
    person = draw_identity(np.random.default_rng(3))
    child, old = aged(person, -1), aged(person, 1)
    assert child.chin_length < person.chin_length < old.chin_length
    assert child.eye_opening > person.eye_opening > old.eye_opening
    assert child.skin_melanin == old.skin_melanin
    assert aged(person, 0) == person


def test_conditions_bound_yaw_and_age() -> None:
    captures = [draw_capture(np.random.default_rng(k), (45, 75), (0.6, 1.0)) for k in range(100)]
    assert all(45 <= abs(c.yaw) <= 75 and 0.6 <= c.age <= 1.0 for c in captures)
    assert {np.sign(c.yaw) for c in captures} == {-1.0, 1.0}


# --- the data set -------------------------------------------------------------------------------


def test_files(data_set: Path) -> None:
    assert sorted(path.name for path in data_set.iterdir()) == FILES
    assert (data_set / "property").read_text().strip() == f"{IDENTITIES},112,112"


def test_training_set_has_every_image_of_every_identity(data_set: Path) -> None:
    reader = RecordReader(data_set / "train.rec")
    index = read_index(reader)
    assert list(index.labels) == [k // IMAGES for k in range(IDENTITIES * IMAGES)]
    for key in index.keys:
        image = cv2.imdecode(np.frombuffer(reader[int(key)].image, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (112, 112, 3)


def test_any_image_can_be_rendered_alone(data_set: Path) -> None:
    reader = RecordReader(data_set / "train.rec")
    keys = read_index(reader).keys
    assert reader[int(keys[2 * IMAGES + 1])].image == render_photo(SEED, Photo(0, 2, 1))
    images, _ = read_pairs(data_set / "synth_pose.bin")
    photos, _ = plan_pairs(SEED, PAIR_FILES[1], PAIRS)
    for k in (0, 1, 2 * PAIRS - 1):
        assert images[k] == render_photo(SEED, photos[k])


def test_same_seed_same_bytes_whatever_the_number_of_processes(
    data_set: Path, tmp_path: Path
) -> None:
    generate(tmp_path / "again", IDENTITIES, IMAGES, SEED, PAIRS, workers=2)
    assert contents(tmp_path / "again") == contents(data_set)


def test_other_seed_other_bytes(data_set: Path, tmp_path: Path) -> None:
    generate(tmp_path / "other", IDENTITIES, IMAGES, SEED + 1, 20, workers=1)
    ours, theirs = contents(data_set), contents(tmp_path / "other")
    assert all(ours[name] != theirs[name] for name in FILES if name != "property")


def test_more_images_keep_the_images_there_were() -> None:
    assert render_photo(3, Photo(0, 0, 1)) == render_photo(3, Photo(0, 0, 1))
    assert render_photo(3, Photo(0, 0, 1)) != render_photo(3, Photo(0, 0, 2))
    assert render_photo(3, Photo(0, 1, 1)) != render_photo(3, Photo(0, 0, 1))
    assert render_photo(4, Photo(0, 0, 1)) != render_photo(3, Photo(0, 0, 1))


def test_no_person_is_in_two_splits() -> None:
    splits = [0, *(file.split for file in PAIR_FILES)]
    assert len(set(splits)) == 4
    people = [photo_parameters(SEED, Photo(s, k, 0))[0] for s in splits for k in range(5)]
    assert len(set(people)) == len(people)


@pytest.mark.parametrize("file", PAIR_FILES, ids=lambda file: file.name)
@pytest.mark.parametrize("pairs", [20, 40, 600])
def test_folds_are_balanced_and_share_no_person(file: PairFile, pairs: int) -> None:
    photos, same = plan_pairs(SEED, file, pairs)
    assert len(photos) == 2 * pairs
    assert len(same) == pairs
    people = np.array([photo.identity for photo in photos]).reshape(FOLDS, -1, 2)
    half = pairs // FOLDS // 2
    for fold, truth in zip(people, same.reshape(FOLDS, -1), strict=True):
        assert list(truth) == [True] * half + [False] * half
        assert np.array_equal(fold[:, 0] == fold[:, 1], truth)
    folds = [set(fold.ravel().tolist()) for fold in people]
    assert sum(map(len, folds)) == len(set.union(*folds))
    couples = list(zip(photos[::2], photos[1::2], strict=True))
    assert len(set(couples)) == pairs
    assert all(a != b for a, b in couples)


def test_images_recur_in_pairs_and_are_stored_as_the_same_bytes(data_set: Path) -> None:
    photos, same = plan_pairs(SEED, PAIR_FILES[0], PAIRS)
    images, truth = read_pairs(data_set / "synth_frontal.bin")
    assert np.array_equal(truth, same)
    assert len(set(images)) == len(set(photos)) < len(images)


def test_the_sides_of_a_pair_keep_to_their_conditions() -> None:
    frontal, pose, age = PAIR_FILES
    photos, _ = plan_pairs(SEED, pose, 100)
    yaws = np.abs([photo_parameters(SEED, photo)[1].yaw for photo in photos])
    assert yaws[::2].max() <= 10
    assert yaws[1::2].min() >= 45
    photos, _ = plan_pairs(SEED, age, 100)
    ages = np.array([photo_parameters(SEED, photo)[1].age for photo in photos])
    assert ages[::2].max() <= -0.6
    assert ages[1::2].min() >= 0.6
    photos, _ = plan_pairs(SEED, frontal, 100)
    assert max(abs(photo_parameters(SEED, photo)[1].yaw) for photo in photos) <= 20


def test_progress_counts_every_image_once(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(tmp_path, 2, 1, pairs=20, workers=1, progress=lambda *step: seen.append(step))
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == totals[0]
    assert len(set(totals)) == 1


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"identities": 1}, "identities: 1 is too few"),
        ({"images": 0}, "images: 0 is too few"),
        ({"seed": -1}, "seed: -1 is negative"),
        ({"pairs": 30}, "pairs: 30 does not make 10 balanced folds; use a multiple of 20"),
        ({"pairs": 0}, "pairs: 0"),
        ({"workers": 0}, "workers: 0"),
        ({"identities": 10**6, "images": 100}, "16777216 records"),
    ],
)
def test_nonsense_counts_are_refused(
    tmp_path: Path, arguments: dict[str, int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        generate(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["train.rec", "synth_age.bin", "property"])
def test_an_existing_data_set_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(UserError, match=f"already holds {name}; name another directory"):
        generate(tmp_path, 2, 1, pairs=20)
    assert contents(tmp_path) == {name: b"precious"}


def test_out_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="is a file; name a directory"):
        generate(tmp_path / "file", 2, 1, pairs=20)


def test_interrupted_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10**6))

    def render_some(seed: int, photo: Photo) -> bytes:
        if next(calls) == 70:
            raise KeyboardInterrupt
        return b"an image"

    monkeypatch.setattr(synthetic, "render_photo", render_some)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, 20, 10, pairs=20, workers=1)
    assert not list(tmp_path.iterdir())
