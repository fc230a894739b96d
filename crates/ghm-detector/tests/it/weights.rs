//! Other people's checkpoints: real names, and files that are not what they say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use ghm_detector::names::named_tensors;
use ghm_detector::{
    Backbone, DetectorError, ExtraLevels, HeadNorm, Layout, ModelConfig, RetinaNet, inspect_weights, load_weights,
    save_as,
};
use safetensors::tensor::{Dtype, TensorView};

use crate::fixture::torchvision;

/// A file of zeros under these names, half precision.
fn zeros(names: &HashMap<String, Vec<usize>>, folder: &Path) -> PathBuf {
    of_type(Dtype::F16, names, folder)
}

fn of_type(dtype: Dtype, names: &HashMap<String, Vec<usize>>, folder: &Path) -> PathBuf {
    let size = dtype.bitsize() / 8;
    let longest = names.values().map(|shape| shape.iter().product::<usize>()).max().unwrap();
    let bytes = vec![0u8; size * longest];
    let view = |(name, shape): (&String, &Vec<usize>)| {
        let length = size * shape.iter().product::<usize>();
        (name.clone(), TensorView::new(dtype, shape.clone(), &bytes[..length]).unwrap())
    };
    let path = folder.join("zeros.safetensors");
    std::fs::write(&path, safetensors::serialize(names.iter().map(view), None).unwrap()).unwrap();
    path
}

#[test]
fn every_tensor_of_torchvisions_models_finds_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let all = torchvision();
    let v1 = ModelConfig { extra_levels: ExtraLevels::P5, ..ModelConfig::default() };
    let v2 = ModelConfig { head_norm: HeadNorm::Group, ..ModelConfig::default() };
    let of = |backbone| ModelConfig { backbone, ..ModelConfig::default() };
    for (name, config, layout) in [
        ("retinanet", v1, Layout::TorchvisionRetinaNet),
        ("retinanet_v2", v2, Layout::TorchvisionRetinaNet),
        ("resnet18", of(Backbone::Resnet18), Layout::TorchvisionClassifier),
        ("resnext50_32x4d", of(Backbone::Resnext50_32x4d), Layout::TorchvisionClassifier),
    ] {
        let path = zeros(&all[name], folder.path());
        let network = RetinaNet::new(&config, 91, 0, &Device::flex()).unwrap();
        let (loaded, report) = load_weights(network, &path, &config).unwrap();
        let whole = layout == Layout::TorchvisionRetinaNet;
        assert_eq!((report.layout, report.other_classes, report.fresh.is_empty()), (layout, None, whole), "{name}");
        let counters = all[name].keys().filter(|key| key.ends_with("num_batches_tracked")).count();
        let last = if whole { 0 } else { 2 };
        assert_eq!(
            (report.unused.len(), report.loaded),
            (counters + last, all[name].len() - counters - last),
            "{name}"
        );
        for tensor in named_tensors(&loaded).iter().filter(|t| whole || t.name.starts_with("backbone.")) {
            assert!(tensor.values.iter().all(|value| *value == 0.0), "{name}: {} was not loaded", tensor.name);
        }
    }
}

#[test]
fn a_file_is_known_by_its_names_and_shapes_with_the_settings_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    let all = torchvision();
    let whole = |channels, levels, depth, norm, rest: &[&'static str]| {
        let before = ["model.anchors.rounding=torchvision", "BACKBONE", channels, levels, "model.extra_relu=true"];
        [&before[..], &[depth, norm, "model.style=pytorch"], rest].concat()
    };
    for (name, backbone, classes, settings) in [
        (
            "retinanet",
            Backbone::Resnet50,
            Some(91),
            whole(
                "model.channels=256",
                "model.extra_levels=p5",
                "model.head_depth=4",
                "model.head_norm=none",
                &["model.norm_epsilon=0"],
            ),
        ),
        (
            "retinanet_v2",
            Backbone::Resnet50,
            Some(91),
            whole("model.channels=256", "model.extra_levels=c5", "model.head_depth=4", "model.head_norm=group", &[]),
        ),
        (
            "whole_v1_resnet18",
            Backbone::Resnet18,
            Some(5),
            whole("model.channels=64", "model.extra_levels=p5", "model.head_depth=4", "model.head_norm=none", &[]),
        ),
        ("resnet18", Backbone::Resnet18, None, vec!["BACKBONE"]),
        ("resnext50_32x4d", Backbone::Resnext50_32x4d, None, vec!["BACKBONE"]),
    ] {
        let summary = inspect_weights(&zeros(&all[name], folder.path())).unwrap();
        assert_eq!((summary.backbone, summary.classes), (Some(backbone), classes), "{name}");
        let of_backbone = serde_json::to_value(backbone).unwrap();
        let of_backbone = format!("model.backbone={}", of_backbone.as_str().unwrap());
        let expected: Vec<String> = settings.iter().map(|text| text.replace("BACKBONE", &of_backbone)).collect();
        assert_eq!(summary.settings, expected, "{name}");
        assert!(summary.missing.is_empty(), "{name}: {:?}", summary.missing);
        let counted: usize = summary.parts.iter().map(|part| part.numbers).sum();
        let of = |key: &&String| !key.ends_with("num_batches_tracked") && !key.starts_with("fc.");
        let expected: usize = all[name].keys().filter(of).map(|key| all[name][key].iter().product::<usize>()).sum();
        assert_eq!(counted, expected, "{name}");
        assert!(summary.parts.iter().all(|part| part.rms == 0.0 && part.is_finite), "{name}");
        assert_eq!(summary.unused.len(), if classes.is_some() { 0 } else { 2 }, "{name}: {:?}", summary.unused);
    }
    // A few bytes that would make a network of gigabytes.
    let mut wide: HashMap<String, Vec<usize>> = HashMap::from([("fpn.lateral.0.weight".to_owned(), vec![4096, 1])]);
    wide.extend((0..4).map(|layer| (format!("classification.tower.{layer}.weight"), vec![1])));
    wide.insert("classification.output.weight".to_owned(), vec![1]);
    // A dimension of nothing lets the others be anything.
    let mut nothing = all["whole_v1_resnet18"].clone();
    nothing.insert("head.classification_head.cls_logits.weight".to_owned(), vec![1 << 40, 0]);
    assert_eq!(inspect_weights(&zeros(&nothing, folder.path())).unwrap().classes, None);
    let message = inspect_weights(&zeros(&wide, folder.path())).unwrap_err().to_string();
    assert!(message.contains("4096 channels, towers of 4 layers"), "{message}");
    // A header that tells of one.
    for lie in [
        r#"{"model": {"channels": 4096}}"#,
        r#"{"model": {"channels": 4096, "head_depth": 64}}"#,
        r#"{"model": {"base_channels": 1024, "channels": 1}}"#,
        r#"{"model": {"anchors": {"scales": [1,1,1,1,1,1,1,1,1,1], "ratios": [1,1,1,1,1,1,1,1,1,1]}, "channels": 2048}}"#,
    ] {
        let path = folder.path().join("lie.safetensors");
        let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
        let metadata = HashMap::from([("ghm".to_owned(), lie.to_owned())]);
        std::fs::write(
            &path,
            safetensors::serialize([("classification.output.weight", view)], Some(metadata)).unwrap(),
        )
        .unwrap();
        let message = inspect_weights(&path).unwrap_err().to_string();
        assert!(message.contains("too small for what it claims"), "{lie}: {message}");
    }
    let mut cut = all["whole_v1_resnet18"].clone();
    cut.remove("head.regression_head.conv.2.0.weight");
    let summary = inspect_weights(&zeros(&cut, folder.path())).unwrap();
    assert_eq!(summary.missing, ["head.regression_head.conv.2.0.weight"]);
}

#[test]
fn a_thin_network_is_known_by_its_stem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thin.safetensors");
    let thin = ModelConfig { base_channels: 12, ..small() };
    let network = RetinaNet::new(&thin, 2, 0, &Device::flex()).unwrap();
    std::fs::write(&path, save_as(&network, Layout::TorchvisionRetinaNet, HashMap::new()).unwrap()).unwrap();
    let summary = inspect_weights(&path).unwrap();
    assert_eq!((summary.backbone, summary.missing.len(), summary.unused.len()), (Some(Backbone::Resnet18), 0, 0));
    assert!(summary.settings.contains(&"model.base_channels=12".to_owned()), "{:?}", summary.settings);
    let published = RetinaNet::new(&small(), 2, 0, &Device::flex()).unwrap();
    let message = load_weights(published, &path, &small()).unwrap_err().to_string();
    assert!(message.contains("try model.base_channels=12"), "{message}");
}

fn small() -> ModelConfig {
    ModelConfig { backbone: Backbone::Resnet18, channels: 8, head_depth: 1, ..ModelConfig::default() }
}

fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.pth");
    std::fs::write(&path, bytes).unwrap();
    let network = RetinaNet::new(&small(), 2, 0, &Device::flex()).unwrap();
    let error = load_weights(network, &path, &small()).unwrap_err();
    assert!(matches!(error, DetectorError::NotWeights { .. } | DetectorError::Mismatch { .. }), "{error:?}");
    assert!(error.to_string().contains("hostile.pth"), "{error}");
    error.to_string()
}

/// A pickle of protocol 2 that calls `posix.system` with a command.
fn calling_system(command: &str) -> Vec<u8> {
    let mut bytes = b"\x80\x02cposix\nsystem\n".to_vec();
    bytes.extend([b"X", &(command.len() as u32).to_le_bytes()[..], command.as_bytes(), b"\x85R."].concat());
    bytes
}

/// A zip of one stored entry, as `torch.save` makes them, with a size of its own choice in its headers.
fn zip(name: &str, content: &[u8], declared: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let sizes = [declared.to_le_bytes(), declared.to_le_bytes()].concat();
    let names = [(name.len() as u16).to_le_bytes(), 0u16.to_le_bytes()].concat();
    bytes.extend(
        [b"PK\x03\x04", &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4], &sizes, &names, name.as_bytes(), content]
            .concat(),
    );
    let directory = bytes.len() as u32;
    let head = [b"PK\x01\x02", &[20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4], &sizes, &names].concat();
    bytes.extend([&head[..], &[0; 10], &0u32.to_le_bytes(), name.as_bytes()].concat());
    let length = bytes.len() as u32 - directory;
    let tail = [&[0; 4][..], &[1, 0, 1, 0], &length.to_le_bytes(), &directory.to_le_bytes(), &[0, 0]].concat();
    bytes.extend([b"PK\x05\x06", &tail[..]].concat());
    bytes
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn corrupt_and_hostile_files_are_refused_and_nothing_in_them_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness");
    let command = format!("touch {}", witness.display());
    let good = {
        let names = HashMap::from([("conv1.weight".to_owned(), vec![64, 3, 7, 7])]);
        std::fs::read(zeros(&names, folder.path())).unwrap()
    };
    let tensor = |shape: &str, end: usize| {
        format!("{{\"conv1.weight\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("empty", "it is empty", Vec::new()),
        ("text", "not a PyTorch", b"these are no weights".to_vec()),
        ("cut safetensors", "safetensors", good[..good.len() / 2].to_vec()),
        ("header longer than the file", "not a PyTorch", [&u32::MAX.to_le_bytes()[..], &[0; 4], b"{}"].concat()),
        ("shape that overflows", "overflow", safetensors(&tensor("[4294967296,4294967296,3,3]", 16), &[0; 16])),
        ("shape that lies about its data", "invalid shape", safetensors(&tensor("[64,3,7,7]", 16), &[0; 16])),
        ("wrong shape", "[2, 2] in the file", safetensors(&tensor("[2,2]", 16), &[0; 16])),
        ("integers", "I32", {
            // Of a whole backbone the first tensor that is read.
            let network = RetinaNet::new(&small(), 2, 0, &Device::flex()).unwrap();
            let tensors = named_tensors(&network).into_iter();
            let shapes: HashMap<String, Vec<usize>> = tensors.map(|tensor| (tensor.name, tensor.shape)).collect();
            std::fs::read(of_type(Dtype::I32, &shapes, folder.path())).unwrap()
        }),
        ("pickle that calls os.system", "posix.system", calling_system(&command)),
        ("zip whose pickle calls os.system", "posix.system", {
            let pickle = calling_system(&command);
            zip("archive/data.pkl", &pickle, pickle.len() as u32)
        }),
        ("zip whose pickle claims 4 GB", "4294967294", zip("archive/data.pkl", b"\x80\x02}.", u32::MAX - 1)),
        ("zip without a pickle", "No data.pkl", zip("archive/version", b"3", 1)),
        ("tar", "before 0.1.10", [&[0; 257][..], b"ustar", &[0; 762]].concat()),
        ("cut zip", "Zip", zip("archive/data.pkl", b"\x80\x02}.", 4)[..40].to_vec()),
        (
            "pickle that ends in the middle",
            "expected 2147483647 bytes",
            b"\x80\x02}q\x00X\xff\xff\xff\x7fconv1".to_vec(),
        ),
    ];
    for (what, reason, bytes) in cases {
        let message = refused(&bytes);
        assert!(message.contains(reason), "{what}: {message}");
        assert!(!witness.exists(), "{what}: it was run");
    }
}
