//! Decoding and suppression as ONNX operators: what [`fn@crate::decode`] does.

use ghm_boxes::coder::MAX_LOG_SCALE;

use super::graph::{Graph, Value, any, side};
use super::proto::data_type;
use crate::config::ModelConfig;

/// The best pairs of anchor and class of all levels, `K` of each picture.
struct Candidates {
    /// `[N, K]`.
    logits: Value,
    /// `[N, K]`.
    classes: Value,
    /// `[N, K, 4]`.
    deltas: Value,
    /// `[N, K, 4]`: centre, width, height.
    anchors: Value,
    /// `K`.
    count: usize,
}

/// Adds the way from each level's logits `[N, A_l, C]` and deltas `[N, A_l, 4]` to boxes.
pub fn trace(
    graph: &mut Graph,
    (config, classes): (&ModelConfig, usize),
    levels: Vec<(Value, Value)>,
    maps: &[[usize; 2]],
) {
    let sizes = graph.input("sizes", vec![any("batch"), side(2)]);
    let candidates = candidates(graph, (config, classes), levels, maps);
    let boxes = decoded(graph, config, &candidates, &sizes);
    let scores = scores(graph, config, &candidates, &boxes);
    let kept = suppressed(graph, (config, classes), (&boxes, &scores, &candidates.classes));
    let limit = config.predict.max_detections.min(candidates.count);
    let [scores, places] = graph.largest(&kept, limit);
    let boxes = graph.of_each_picture(&boxes, &places, Some(4));
    let classes = graph.of_each_picture(&candidates.classes, &places, None);
    let counts = counted(graph, &scores);
    let (batch, limit) = (|| any("batch"), || side(limit));
    graph.output(&boxes, "boxes", vec![batch(), limit(), side(4)]);
    graph.output(&scores, "scores", vec![batch(), limit()]);
    graph.output_integers(&classes, "classes", vec![batch(), limit()]);
    graph.output_integers(&counts, "counts", vec![batch()]);
}

fn candidates(
    graph: &mut Graph,
    (config, classes): (&ModelConfig, usize),
    levels: Vec<(Value, Value)>,
    maps: &[[usize; 2]],
) -> Candidates {
    let per_anchor = graph.whole(&[classes as i64], &[]);
    let (mut all, mut count) = ([Vec::new(), Vec::new(), Vec::new(), Vec::new()], 0);
    for (level, (logits, deltas)) in levels.into_iter().enumerate() {
        let anchors = config.anchors.level_anchors(level, maps);
        let kept = config.predict.candidates.min(anchors.len() * classes);
        let centred = anchors.iter().flat_map(|anchor| {
            let (x, y) = anchor.center();
            [x, y, anchor.width(), anchor.height()]
        });
        let table = graph.floats(&centred.collect::<Vec<_>>(), &[anchors.len(), 4]);
        let flat = graph.reshape(&logits, &[0, -1]);
        let [logits, places] = graph.largest(&flat, kept);
        let anchor = graph.apply("Div", &[&places, &per_anchor]);
        let class = graph.apply("Mod", &[&places, &per_anchor]);
        let deltas = graph.of_each_picture(&deltas, &anchor, Some(4));
        let anchors = graph.gather(&table, &anchor, 0);
        for (all, own) in all.iter_mut().zip([logits, class, deltas, anchors]) {
            all.push(own);
        }
        count += kept;
    }
    let [logits, classes, deltas, anchors] = all.map(|parts| graph.concat(&parts, 1));
    Candidates { logits, classes, deltas, anchors, count }
}

/// `[N, K, 4]`, corners, clipped to each picture.
fn decoded(graph: &mut Graph, config: &ModelConfig, candidates: &Candidates, sizes: &Value) -> Value {
    let std = graph.floats(&config.coder.std, &[4]);
    let deltas = graph.apply("Mul", &[&candidates.deltas, &std]);
    let [centre, side] = [0, 2].map(|first| graph.pair(&candidates.anchors, first));
    let [shift, log] = [0, 2].map(|first| graph.pair(&deltas, first));
    let moved = graph.apply("Mul", &[&shift, &side]);
    let centre = graph.apply("Add", &[&centre, &moved]);
    let [least, most] = [-MAX_LOG_SCALE, MAX_LOG_SCALE].map(|bound| graph.floats(&[bound], &[]));
    let held = graph.apply("Clip", &[&log, &least, &most]);
    let factor = graph.apply("Exp", &[&held]);
    let side = graph.apply("Mul", &[&side, &factor]);
    let half = graph.floats(&[0.5], &[]);
    let reach = graph.apply("Mul", &[&side, &half]);
    let corners = ["Sub", "Add"].map(|operator| graph.apply(operator, &[&centre, &reach]));
    let corners = graph.concat(&corners, 2);
    let limits = graph.concat(&[sizes.clone(), sizes.clone()], 1);
    let limits = graph.unsqueeze(&limits, 1); // [N, 1, 4]
    let zero = graph.floats(&[0.0], &[]);
    let corners = graph.apply("Max", &[&corners, &zero]);
    graph.apply("Min", &[&corners, &limits])
}

/// `[N, K]`: the score, or 0 at or below the threshold and where nothing of a box is left.
fn scores(graph: &mut Graph, config: &ModelConfig, candidates: &Candidates, boxes: &Value) -> Value {
    let scores = graph.apply("Sigmoid", &[&candidates.logits]);
    let threshold = config.predict.score;
    // As `decode` compares; no logit is as small as the one of a score of 0.
    let least = (threshold / (1.0 - threshold)).ln().max(f32::MIN);
    let least = graph.floats(&[least], &[]);
    let [near, far] = [0, 2].map(|first| graph.pair(boxes, first));
    let sides = graph.apply("Sub", &[&far, &near]);
    let zero = graph.floats(&[0.0], &[]);
    let proper = graph.apply("Greater", &[&sides, &zero]); // [N, K, 2]
    let proper = graph.cast(&proper, data_type::FLOAT);
    let proper = graph.sum(&proper, 2);
    let both = graph.floats(&[1.5], &[]);
    let proper = graph.apply("Greater", &[&proper, &both]);
    let above = graph.apply("Greater", &[&candidates.logits, &least]);
    let counts = graph.apply("And", &[&above, &proper]);
    graph.apply("Where", &[&counts, &scores, &zero])
}

/// `[N, K]`: the scores of boxes that no better one of their class overlaps, 0 elsewhere.
fn suppressed(
    graph: &mut Graph,
    (config, classes): (&ModelConfig, usize),
    (boxes, scores, classes_of): (&Value, &Value, &Value),
) -> Value {
    let zero = graph.floats(&[0.0], &[]);
    let numbers = graph.whole(&(0..classes as i64).collect::<Vec<_>>(), &[1, classes, 1]);
    let [row_of_classes, row_of_scores] = [classes_of, scores].map(|row| graph.unsqueeze(row, 1)); // [N, 1, K]
    let own = graph.apply("Equal", &[&row_of_classes, &numbers]);
    let by_class = graph.apply("Where", &[&own, &row_of_scores, &zero]); // [N, C, K]
    let limit = graph.whole(&[config.predict.max_detections as i64], &[1]);
    let [most_iou, least] = [config.predict.nms_iou, 0.0].map(|number| graph.floats(&[number], &[1]));
    let selected = graph.apply("NonMaxSuppression", &[boxes, &by_class, &limit, &most_iou, &least]); // [S, 3]
    let picture_and_place = graph.whole(&[0, 2], &[2]);
    let places = graph.gather(&selected, &picture_and_place, 1);
    let of_selected = graph.apply("GatherND", &[scores, &places]);
    let nothing = graph.apply("Mul", &[scores, &zero]);
    graph.apply("ScatterND", &[&nothing, &places, &of_selected])
}

/// `[N]`: how many scores are above 0.
fn counted(graph: &mut Graph, scores: &Value) -> Value {
    let zero = graph.floats(&[0.0], &[]);
    let above = graph.apply("Greater", &[scores, &zero]);
    let above = graph.cast(&above, data_type::INT64);
    graph.sum(&above, 1)
}
