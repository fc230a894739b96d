//! A summary of what a network said while it learned.
//!
//! Each epoch's look at a label is kept. What is told of it is means: of scores plain ones, of IoUs by how surely the network saw an
//! object at all, and of boxes by that times `(1 - IoU)^2` too: a loose box that is known by heart in the end says nothing of where
//! the object is.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::{BackgroundEvidence, Evidence, LabelEvidence};

use crate::error::AuditError;
use crate::summary::{LabelSummary, Look, Origin, Seen, Summary, cross_entropy};

/// Of a box that is the label's, how far it counts as being elsewhere.
const LEAST_DISTANCE: f32 = 0.01;

/// Boxes of background in several epochs are one object from this IoU on.
const ONE: f32 = 0.5;

/// Reads a run's evidence about the pictures that it was trained on. Lines about other pictures and labels are passed over: a
/// label may have been mended since.
///
/// # Errors
/// [`AuditError`] for a file that cannot be read or is no evidence, and where it says nothing of the data set.
pub fn read_evidence(path: &Path, dataset: &Dataset) -> Result<Summary, AuditError> {
    let io = |source| AuditError::Io { path: path.into(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let (mut gathered, mut text) = (Gathered::new(dataset), String::new());
    for line in 1.. {
        text.clear();
        if file.read_line(&mut text).map_err(io)? == 0 {
            break;
        }
        match serde_json::from_str::<Evidence>(&text) {
            Ok(said) => gathered.take(&said),
            // A run that was killed, or goes on, ends in the middle of a line.
            Err(_) if !text.ends_with('\n') && line > 1 => break,
            Err(error) => return Err(AuditError::Line { path: path.into(), line, reason: error.to_string() }),
        }
    }
    let summary = gathered.summary();
    if summary.labels.iter().all(|label| label.looks.is_empty()) {
        return Err(AuditError::Nothing { path: path.into() });
    }
    Ok(summary)
}

/// Summary of lines of evidence that are at hand.
pub fn summarise<'a>(said: impl IntoIterator<Item = &'a Evidence>, dataset: &Dataset) -> Summary {
    let mut gathered = Gathered::new(dataset);
    said.into_iter().for_each(|said| gathered.take(said));
    gathered.summary()
}

/// What was said so far.
struct Gathered<'a> {
    dataset: &'a Dataset,
    index_of_image: HashMap<u64, usize>,
    /// By picture and annotation id.
    labels: HashMap<(u64, u64), Sums>,
    /// Of each picture: how often it was looked at, and what was seen beside its labels.
    pictures: Vec<(usize, Vec<Cluster>)>,
}

/// What was said of a label so far.
#[derive(Default)]
struct Sums {
    looks: Vec<Look>,
    own: f32,
    best: f32,
    cross_entropy: f32,
    box_norm: f32,
    /// Sum of scores of each other class.
    others: HashMap<usize, f32>,
    /// Weight of the boxes' IoUs, and their weighted sum.
    weight: f32,
    iou: f32,
    /// Weight of the boxes, and their weighted sums.
    elsewhere: f32,
    corners: [f32; 4],
}

/// Boxes of several epochs about one object.
struct Cluster {
    /// The surest of them.
    leader: BackgroundEvidence,
    /// Sum over epochs of the best score; the epoch of the last one that counted, and how it counted.
    score: f32,
    last: (usize, f32),
    classes: HashMap<usize, f32>,
    weight: f32,
    corners: [f32; 4],
}

impl<'a> Gathered<'a> {
    fn new(dataset: &'a Dataset) -> Self {
        let index_of_image = dataset.images.iter().enumerate().map(|(index, image)| (image.id, index)).collect();
        let pictures = dataset.images.iter().map(|_| (0, Vec::new())).collect();
        Self { dataset, index_of_image, labels: HashMap::new(), pictures }
    }

    fn take(&mut self, said: &Evidence) {
        let Some(&image) = self.index_of_image.get(&said.image_id) else { return };
        let classes = self.dataset.categories.len();
        for label in said.objects.iter().filter(|label| label.anchors > 0 && label.other_class < classes) {
            self.labels.entry((said.image_id, label.annotation_id)).or_default().add(label, said.epoch);
        }
        let (looks, clusters) = &mut self.pictures[image];
        *looks += 1;
        for seen in said.background.iter().filter(|seen| seen.class < classes) {
            let bbox = Bbox::from_corners(seen.bbox);
            match clusters.iter_mut().find(|cluster| Bbox::from_corners(cluster.leader.bbox).iou(bbox) >= ONE) {
                Some(cluster) => cluster.add(seen, said.epoch),
                None => clusters.push(Cluster::new(seen, said.epoch)),
            }
        }
    }

    fn summary(self) -> Summary {
        let mut labels = Vec::new();
        for (image, record) in self.dataset.images.iter().enumerate() {
            for (object, label) in record.objects.iter().enumerate().filter(|(_, object)| !object.ignored) {
                let sums = self.labels.get(&(record.id, label.annotation_id));
                labels.push(summary_of(sums, (image, object), label.class_index, label.bbox_in_image));
            }
        }
        let seen = |(image, (looks, clusters)): (usize, &(usize, Vec<Cluster>))| {
            clusters.iter().map(|cluster| cluster.seen(image, *looks)).collect::<Vec<_>>()
        };
        let unlabelled = self.pictures.iter().enumerate().flat_map(seen).filter(|seen| !seen.is_labelled(self.dataset));
        Summary { labels, unlabelled: unlabelled.collect(), origin: Origin::Learning }
    }
}

impl Sums {
    fn add(&mut self, said: &LabelEvidence, epoch: usize) {
        let own = 1.0 - said.class_norm;
        self.looks.push(Look { epoch, own, other: said.other_score, iou: said.iou });
        self.own += own;
        self.best += said.score;
        self.cross_entropy += cross_entropy(own);
        self.box_norm += said.box_norm;
        *self.others.entry(said.other_class).or_default() += said.other_score;
        let weight = own.max(said.other_score);
        self.weight += weight;
        self.iou += weight * said.iou;
        let elsewhere = weight * (1.0 - said.iou).max(LEAST_DISTANCE).powi(2);
        self.elsewhere += elsewhere;
        for (sum, corner) in self.corners.iter_mut().zip(said.bbox) {
            *sum += elsewhere * corner;
        }
    }
}

fn summary_of(sums: Option<&Sums>, (image, object): (usize, usize), class: usize, label: Bbox) -> LabelSummary {
    let nothing = LabelSummary {
        image,
        object,
        looks: Vec::new(),
        own: 0.0,
        best: 0.0,
        cross_entropy: 0.0,
        other: (class, 0.0),
        box_norm: 0.0,
        iou: 0.0,
        bbox: label,
    };
    let Some(sums) = sums else { return nothing };
    let looks = sums.looks.len() as f32;
    // The class that the data set has now is no other one.
    let others = sums.others.iter().filter(|(other, _)| **other != class);
    let other = others.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
    let weight = sums.weight.max(f32::MIN_POSITIVE);
    let elsewhere = sums.elsewhere.max(f32::MIN_POSITIVE);
    LabelSummary {
        looks: sums.looks.clone(),
        own: sums.own / looks,
        best: sums.best / looks,
        cross_entropy: sums.cross_entropy / looks,
        other: other.map_or((class, 0.0), |(class, score)| (*class, score / looks)),
        box_norm: sums.box_norm / looks,
        iou: sums.iou / weight,
        bbox: Bbox::from_corners(sums.corners.map(|sum| sum / elsewhere)),
        ..nothing
    }
}

impl Cluster {
    fn new(seen: &BackgroundEvidence, epoch: usize) -> Self {
        let mut cluster = Self {
            leader: *seen,
            score: 0.0,
            last: (epoch, 0.0),
            classes: HashMap::new(),
            weight: 0.0,
            corners: [0.0; 4],
        };
        cluster.add(seen, epoch);
        cluster
    }

    fn add(&mut self, seen: &BackgroundEvidence, epoch: usize) {
        if epoch != self.last.0 {
            self.last = (epoch, 0.0);
        }
        // Of an epoch the best counts.
        self.score += (seen.score - self.last.1).max(0.0);
        self.last.1 = self.last.1.max(seen.score);
        *self.classes.entry(seen.class).or_default() += seen.score;
        let weight = seen.score * seen.score;
        self.weight += weight;
        for (sum, corner) in self.corners.iter_mut().zip(seen.bbox) {
            *sum += weight * corner;
        }
        if seen.score > self.leader.score {
            self.leader = *seen;
        }
    }

    fn seen(&self, image: usize, looks: usize) -> Seen {
        let class = self.classes.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)));
        Seen {
            image,
            class: class.map_or(self.leader.class, |(class, _)| *class),
            score: self.score / looks.max(1) as f32,
            bbox: Bbox::from_corners(self.corners.map(|sum| sum / self.weight.max(f32::MIN_POSITIVE))),
        }
    }
}
