//! A summary of what a network said while it learned.
//!
//! Each epoch's look at a label is kept. What is told of it is means: of scores plain ones, of IoUs by how surely the network saw an
//! object at all, and of boxes by that times `(1 - IoU)^2` too: a loose box that is known by heart in the end says nothing of where
//! the object is.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::{BackgroundEvidence, Evidence, LabelEvidence};

use crate::error::AuditError;
use crate::summary::{LabelSummary, Look, Origin, Seen, Summary, cross_entropy, leading};

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
    /// The class of each label, by picture and annotation id; and what was said of it.
    class_of: HashMap<(u64, u64), usize>,
    labels: HashMap<(u64, u64), Sums>,
    pictures: Vec<Picture>,
}

/// What was said of a picture so far.
#[derive(Default)]
struct Picture {
    /// How often it was looked at.
    looks: usize,
    /// The sum of the numbers of the epochs.
    epochs: u64,
    /// What was seen beside its labels.
    clusters: Vec<Cluster>,
}

/// What was said of a label so far.
#[derive(Default)]
struct Sums {
    looks: Vec<Look>,
    /// Whether another class than the label's was learned.
    reclassed: bool,
    own: f32,
    best: f32,
    cross_entropy: f32,
    box_norm: f32,
    /// Sum of scores of each other class.
    others: BTreeMap<usize, f32>,
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
    /// Epochs in which it was seen, and the best score of each.
    scores: Vec<(u32, f32)>,
    classes: BTreeMap<usize, f32>,
    weight: f32,
    corners: [f32; 4],
}

impl<'a> Gathered<'a> {
    fn new(dataset: &'a Dataset) -> Self {
        let index_of_image = dataset.images.iter().enumerate().map(|(index, image)| (image.id, index)).collect();
        let pictures = dataset.images.iter().map(|_| Picture::default()).collect();
        let class_of = dataset.images.iter().flat_map(|image| {
            image.objects.iter().map(|object| ((image.id, object.annotation_id), object.class_index))
        });
        Self { dataset, index_of_image, class_of: class_of.collect(), labels: HashMap::new(), pictures }
    }

    fn take(&mut self, said: &Evidence) {
        let Some(&image) = self.index_of_image.get(&said.image_id) else { return };
        let classes = self.dataset.categories.len();
        for label in said.objects.iter().filter(|label| label.anchors > 0 && label.other_class < classes) {
            let id = (said.image_id, label.annotation_id);
            let class = self.class_of.get(&id).copied();
            self.labels.entry(id).or_default().add(label, class, said.epoch);
        }
        let Picture { looks, epochs, clusters } = &mut self.pictures[image];
        *looks += 1;
        *epochs += said.epoch as u64;
        for seen in said.background.iter().filter(|seen| seen.class < classes) {
            let bbox = Bbox::from_corners(seen.bbox);
            match clusters.iter_mut().find(|cluster| Bbox::from_corners(cluster.leader.bbox).iou(bbox) >= ONE) {
                Some(cluster) => cluster.add(seen, said.epoch),
                None => clusters.push(Cluster::new(seen, said.epoch)),
            }
        }
    }

    fn summary(mut self) -> Summary {
        let mut labels = Vec::new();
        for (image, record) in self.dataset.images.iter().enumerate() {
            for (object, label) in record.objects.iter().enumerate().filter(|(_, object)| !object.ignored) {
                let sums = self.labels.remove(&(record.id, label.annotation_id));
                labels.push(summary_of(sums, (image, object), label.class_index, label.bbox_in_image));
            }
        }
        let seen = |(image, Picture { looks, epochs, clusters }): (usize, Picture)| {
            clusters.into_iter().map(move |cluster| cluster.seen(image, looks, epochs))
        };
        let unlabelled =
            self.pictures.into_iter().enumerate().flat_map(seen).filter(|seen| !seen.is_labelled(self.dataset));
        Summary { labels, unlabelled: unlabelled.collect(), origin: Origin::Learning }
    }
}

impl Sums {
    /// `class` is that of the label now.
    fn add(&mut self, said: &LabelEvidence, class: Option<usize>, epoch: usize) {
        let (mut own, mut other, mut best) = (1.0 - said.class_norm, said.other_score, said.score);
        if class == Some(said.other_class) && other > 0.0 {
            // The label has been given the class that was seen beside its former one.
            (own, other, best) = (other, own, other);
            self.reclassed = true;
        } else {
            *self.others.entry(said.other_class).or_default() += other;
        }
        self.looks.push(Look { epoch: epoch as u32, own, best, other, iou: said.iou });
        self.own += own;
        self.best += best;
        self.cross_entropy += cross_entropy(own);
        self.box_norm += said.box_norm;
        let weight = own.max(other);
        self.weight += weight;
        self.iou += weight * said.iou;
        let elsewhere = weight * (1.0 - said.iou).max(LEAST_DISTANCE).powi(2);
        self.elsewhere += elsewhere;
        for (sum, corner) in self.corners.iter_mut().zip(said.bbox) {
            *sum += elsewhere * corner;
        }
    }
}

fn summary_of(sums: Option<Sums>, place: (usize, usize), class: usize, label: Bbox) -> LabelSummary {
    let unseen = LabelSummary::unseen(place, class, label);
    let Some(sums) = sums else { return unseen };
    let looks = sums.looks.len() as f32;
    let other = leading(&sums.others);
    let weight = sums.weight.max(f32::MIN_POSITIVE);
    let elsewhere = sums.elsewhere.max(f32::MIN_POSITIVE);
    LabelSummary {
        looks: sums.looks,
        reclassed: sums.reclassed,
        own: sums.own / looks,
        best: sums.best / looks,
        cross_entropy: sums.cross_entropy / looks,
        other: other.map_or((class, 0.0), |(class, _)| (class, sums.others[&class] / looks)),
        other_share: other.map_or(0.0, |(_, share)| share),
        box_norm: sums.box_norm / looks,
        iou: sums.iou / weight,
        bbox: Bbox::from_corners(sums.corners.map(|sum| sum / elsewhere)),
        ..unseen
    }
}

impl Cluster {
    fn new(seen: &BackgroundEvidence, epoch: usize) -> Self {
        let mut cluster =
            Self { leader: *seen, scores: Vec::new(), classes: BTreeMap::new(), weight: 0.0, corners: [0.0; 4] };
        cluster.add(seen, epoch);
        cluster
    }

    fn add(&mut self, seen: &BackgroundEvidence, epoch: usize) {
        // Of an epoch the best counts.
        match self.scores.last_mut() {
            Some((last, score)) if *last == epoch as u32 => *score = score.max(seen.score),
            _ => self.scores.push((epoch as u32, seen.score)),
        }
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

    fn seen(self, image: usize, looks: usize, epochs: u64) -> Seen {
        let (class, class_share) = leading(&self.classes).unwrap_or((self.leader.class, 0.0));
        Seen {
            image,
            class,
            class_share,
            score: self.scores.iter().map(|(_, score)| score).sum::<f32>() / looks.max(1) as f32,
            looks,
            epochs,
            scores: self.scores,
            bbox: Bbox::from_corners(self.corners.map(|sum| sum / self.weight.max(f32::MIN_POSITIVE))),
        }
    }
}
