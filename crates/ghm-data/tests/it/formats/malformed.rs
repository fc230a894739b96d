//! Files that cannot be used at all: each refusal names the file, the record and what to do.

use ghm_data::open;
use proptest::prelude::*;

use super::Folder;

const IMAGES: &str = r#""images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}]"#;
const CATEGORIES: &str = r#""categories": [{"id": 1, "name": "cat"}]"#;

fn coco(images: &str, annotations: &str, categories: &str) -> Vec<u8> {
    format!(r#"{{"images": [{images}], "annotations": [{annotations}], "categories": [{categories}]}}"#).into_bytes()
}

fn with_image(image: &str) -> Vec<u8> {
    coco(image, "", r#"{"id": 1, "name": "cat"}"#)
}

fn with_annotation(annotation: &str) -> Vec<u8> {
    coco(r#"{"id": 1, "file_name": "a.png", "width": 9, "height": 9}"#, annotation, r#"{"id": 1, "name": "cat"}"#)
}

fn refusal_of_coco(content: &[u8]) -> String {
    let folder = Folder::new();
    folder.picture("a.png", 9, 9);
    folder.write("set.json", content);
    let message = folder.refusal("set.json", "set");
    assert!(message.contains("set.json"), "{message}");
    message
}

#[test]
fn a_file_that_is_no_coco_file_is_refused_with_the_place() {
    let whole = String::from_utf8(with_annotation("")).expect("text");
    let deep = format!("{{\"images\": {}", "[".repeat(100_000));
    let cases: [(&str, Vec<u8>, &str, &str); 16] = [
        ("empty", b"".to_vec(), "file", "empty"),
        ("blank", b" \n ".to_vec(), "file", "empty"),
        ("binary", b"{\0\x01".to_vec(), "byte 1", "binary"),
        ("not UTF-8", b"{\n\"a\": \"\xff\"}".to_vec(), "line 2", "not UTF-8"),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec(), "file", "UTF-16"),
        ("a picture", b"\xff\xd8\xff\xe0".to_vec(), "file", "picture"),
        ("not JSON", b"hello".to_vec(), "line 1 column 1", "expected value"),
        ("cut off", whole.as_bytes()[..whole.len() - 9].to_vec(), "line 1 column", "cut off"),
        ("rubbish behind", [whole.as_bytes(), b"x"].concat(), "line 1 column", "trailing"),
        ("a list of results", b"[{\"image_id\": 1}]".to_vec(), "line 1 column", "an object with `images`"),
        ("a number too large", b"{\"images\": [1e999]}".to_vec(), "line 1 column", "out of range"),
        ("absurdly deep", deep.into_bytes(), "line 1 column", "recursion limit"),
        ("no annotations", format!("{{{IMAGES}, {CATEGORIES}}}").into_bytes(), "annotations", "missing"),
        ("images no array", b"{\"images\": {}}".to_vec(), "line 1 column", "`images` to be an array"),
        ("images twice", format!("{{{IMAGES}, {IMAGES}}}").into_bytes(), "line 1 column", "twice"),
        ("no categories", coco("", "", ""), "categories", "empty"),
    ];
    for (name, content, record, reason) in cases {
        let message = refusal_of_coco(&content);
        assert!(message.contains(record) && message.contains(reason) && message.ends_with(')'), "{name}: {message}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_place() {
    let image = |fields: &str| with_image(&format!("{{{fields}}}"));
    let annotation = |fields: &str| with_annotation(&format!("{{{fields}}}"));
    let cases: [(Vec<u8>, &str); 19] = [
        (with_image("7"), "images[0]: expected an object, found 7"),
        (
            image(r#""file_name": "a", "width": 1, "height": 1"#),
            "images[0].id: expected a whole number from 0, found nothing",
        ),
        (
            image(r#""id": "x", "file_name": "a", "width": 1, "height": 1"#),
            "images[0].id: expected a whole number from 0, found string \"x\"",
        ),
        (image(r#""id": -1, "file_name": "a", "width": 1, "height": 1"#), "images[0].id"),
        (image(r#""id": 18446744073709551616, "file_name": "a", "width": 1, "height": 1"#), "images[0].id"),
        (
            image(r#""id": 1, "file_name": 3, "width": 1, "height": 1"#),
            "images[0].file_name: expected a non-empty string, found 3",
        ),
        (
            image(r#""id": 1, "file_name": "a", "width": "a", "height": 1"#),
            "images[0].width: expected a positive integer, found string \"a\"",
        ),
        (
            image(r#""id": 1, "file_name": "a", "width": 1, "height": 0"#),
            "images[0].height: expected a positive integer, found 0",
        ),
        (image(r#""id": 1, "file_name": "a", "width": 4294967296, "height": 1"#), "images[0].width"),
        (image(r#""id": 1, "file_name": "a", "width": 1.5, "height": 1"#), "images[0].width"),
        (
            annotation(r#""id": 1, "image_id": 1, "category_id": 1"#),
            "annotations[0].bbox: expected an array of 4 numbers [x, y, width, height], found nothing",
        ),
        (
            annotation(r#""id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3]"#),
            "annotations[0].bbox: expected an array of 4 numbers [x, y, width, height], found an array of 3",
        ),
        (
            annotation(r#""id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, null, 4]"#),
            "annotations[0].bbox[2]: expected a number, found null",
        ),
        (annotation(r#""id": 1, "image_id": null, "category_id": 1, "bbox": [1, 2, 3, 4]"#), "annotations[0].image_id"),
        (
            annotation(r#""id": 1, "image_id": 1, "category_id": [], "bbox": [1, 2, 3, 4]"#),
            "annotations[0].category_id: expected a whole number from 0, found an array of 0",
        ),
        (
            annotation(r#""id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": {}"#),
            "annotations[0].area: expected a number, found an object",
        ),
        (
            annotation(r#""id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 2"#),
            "annotations[0].iscrowd: expected 0 or 1, found 2",
        ),
        (coco("", "", r#"{"id": 1}"#), "categories[0].name"),
        (
            coco("", "", r#"{"id": 1, "name": ""}"#),
            "categories[0].name: expected a non-empty string, found string \"\"",
        ),
    ];
    for (content, expected) in cases {
        let message = refusal_of_coco(&content);
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn ids_that_occur_twice_are_refused() {
    let image = r#"{"id": 4, "file_name": "a.png", "width": 9, "height": 9}"#;
    let message = refusal_of_coco(&coco(&format!("{image}, {image}"), "", r#"{"id": 1, "name": "a"}"#));
    assert!(message.contains("images[1].id: 4 is already the id of images[0]"), "{message}");
    let message = refusal_of_coco(&coco(image, "", r#"{"id": 1, "name": "a"}, {"id": 1, "name": "b"}"#));
    assert!(message.contains("categories[1].id: 1 is already the id of categories[0]"), "{message}");
}

#[test]
fn all_unusable_records_are_named_at_once() {
    let message = refusal_of_coco(&coco(r#"{"id": 1}, 5"#, r#"{"id": 2}"#, r#"{"id": 1, "name": "a"}"#));
    for record in
        ["images[0].file_name", "images[0].width", "images[1]", "annotations[0].bbox", "annotations[0].image_id"]
    {
        assert!(message.contains(record), "{record}: {message}");
    }
}

#[test]
fn a_file_without_pictures_is_an_empty_split() {
    let message = refusal_of_coco(&coco("", "", r#"{"id": 1, "name": "cat"}"#));
    assert!(message.contains("split `set` has no usable picture: none is listed"), "{message}");
}

#[test]
fn a_manifest_that_cannot_be_used_is_refused_with_the_key() {
    let cases = [
        ("", "file: it is empty"),
        ("train: [", "line 2 column 1: not YAML"),
        ("hello", "file: expected keys, found `hello`"),
        ("train: images", "names: this key is missing"),
        ("train: images\nnames: []", "names: no class is listed"),
        ("train: images\nnames: 3", "names: expected the classes, found 3"),
        ("train: images\nnames: [cat, [dog]]", "names[1]: expected a class name, found a list of 1"),
        ("train: images\nnames: {a: cat}", "names: the key `a` is not a class number"),
        ("train: images\nnames: {0: cat, '0': dog}", "names: class 0 is named twice"),
        ("train: images\nnames: [cat]\nnc: 3", "nc: 3 but names lists 1 classes"),
        ("names: [cat]", "train: none of train, val and test is there"),
        ("train: 5\nnames: [cat]", "train: expected a folder"),
        ("train: [a, 5]\nnames: [cat]", "train[1]: expected a path, found 5"),
        ("train: nowhere\nnames: [cat]", "train: `nowhere` is not there; looked at"),
        ("train: data.yaml\nnames: [cat]", "train: `data.yaml` is neither a folder nor a .txt list"),
        ("path: nowhere\ntrain: images\nnames: [cat]", "path: folder"),
    ];
    for (content, expected) in cases {
        let folder = Folder::new();
        folder.write("data.yaml", content);
        let message = folder.refusal("data.yaml", "train");
        assert!(message.contains("data.yaml") && message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn a_voc_folder_that_cannot_be_used_is_refused_with_the_folder() {
    let folder = Folder::new();
    folder.write("Annotations/a.txt", "");
    folder.picture("JPEGImages/a.png", 9, 9);
    assert!(folder.refusal("", "all").contains("Annotations: folder: it holds no XML file"));
    folder.write("Annotations/a.xml", "<annotation></annotation>");
    assert!(folder.refusal("", "all").contains("no annotation file names a class"));
    std::fs::remove_dir_all(folder.path("JPEGImages")).expect("removed");
    assert!(folder.refusal("", "all").contains("JPEGImages: cannot list the folder"));
}

#[cfg(unix)]
#[test]
fn a_list_that_links_to_itself_is_refused_with_its_key() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: list.txt\nnames: [cat]");
    std::os::unix::fs::symlink("list.txt", folder.path("list.txt")).expect("linked to itself");
    assert!(folder.refusal("data.yaml", "train").contains("`list.txt` is not there"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_file_never_panics(at in 0usize..200, bytes in proptest::collection::vec(any::<u8>(), 0..4), cut in 0usize..4) {
        let bbox = r#"{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}"#;
        let manifest = b"path: .\ntrain: [images, list.txt]\nnames: {0: cat, 1: dog}\n".to_vec();
        let xml = b"<annotation><size><width>9</width></size><object><name>a</name><bndbox><xmin>1</xmin>".to_vec();
        for (name, mut content) in [("a.json", with_annotation(bbox)), ("data.yaml", manifest), ("Annotations/a.xml", xml)] {
            let start = at.min(content.len());
            let end = (start + cut).min(content.len());
            content.splice(start..end, bytes.iter().copied());
            let folder = Folder::new();
            folder.picture("a.png", 9, 9);
            folder.picture("images/a.png", 9, 9);
            folder.picture("JPEGImages/a.png", 9, 9);
            folder.write("labels/a.txt", &content);
            folder.write(name, &content);
            let opened = if name.starts_with('A') { folder.root().to_path_buf() } else { folder.path(name) };
            if let Ok(source) = open(&opened) {
                for split in source.splits() {
                    let _ = source.load(split);
                }
            }
        }
    }
}
