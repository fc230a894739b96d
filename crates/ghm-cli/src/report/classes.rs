//! The classes: how well each is found, beside how many labels it has.

use anyhow::Result;
use ghm_report::{Block, Chart, ChartAxis, Mark, Point, Series};

use super::facts::evaluation;
use super::{Subject, figures, heading, share};

/// A class's name, its average precision, and how many labels it has in the training split.
struct Line {
    ap: Option<f64>,
    trained: Option<usize>,
    cells: Vec<String>,
}

pub fn blocks(subject: &Subject) -> Result<Vec<Block>> {
    let Some(evaluation) = evaluation(subject) else { return Ok(Vec::new()) };
    let lines: Vec<Line> = evaluation
        .per_class
        .iter()
        .map(|(name, numbers)| {
            let trained = trained(subject, name);
            let count = trained.map_or("–".into(), |count| count.to_string());
            let cells = vec![
                name.to_owned(),
                share(numbers.ap),
                share(numbers.ap50),
                share(numbers.ap75),
                count,
                numbers.ground_truth.to_string(),
                numbers.detections.to_string(),
            ];
            Line { ap: numbers.ap, trained, cells }
        })
        .collect();
    let head = ["class", "AP", "AP50", "AP75", "labels trained on", "objects to find", "detections"];
    let points = lines.iter().filter_map(|line| Some(Point::new(line.trained? as f64, line.ap?)));
    let chart = Chart {
        title: "Average precision of the classes over their labels".into(),
        x: ChartAxis::of("labels in the training split").logarithmic(),
        y: ChartAxis::of("AP").from_to(0.0, 1.0),
        series: vec![Series { name: "class".into(), mark: Mark::Dots, points: points.collect() }],
    };
    let table = Block::Table(head.map(String::from).into(), lines.into_iter().map(|line| line.cells).collect());
    Ok(vec![heading("Classes"), table, figures([chart])?])
}

fn trained(subject: &Subject, name: &str) -> Option<usize> {
    let dataset = subject.train.as_ref()?;
    let class = dataset.categories.iter().position(|category| category.name == name)?;
    let objects = dataset.images.iter().flat_map(|image| &image.objects);
    Some(objects.filter(|object| object.class_index == class && !object.ignored).count())
}
