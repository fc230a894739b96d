//! Charts.

use std::collections::HashSet;

use ghm_report::{Chart, ChartAxis, Mark, Point, Series};

fn chart() -> Chart {
    let series = |name: &str, at: f64| Series {
        name: name.into(),
        mark: Mark::DotsAndLine,
        points: (0..3).map(|x| Point { x: f64::from(x), y: at / f64::from(1 + x), spread: 0.01 }).collect(),
    };
    Chart {
        title: "AP under label noise".into(),
        x: ChartAxis { names: ["clean", "10%", "a < b"].map(String::from).into(), ..ChartAxis::of("noise") },
        y: ChartAxis::of("AP"),
        series: vec![series("focal", 0.5), series("GHM-C", 0.6)],
    }
}

#[test]
fn a_chart_names_everything_that_it_shows() {
    let svg = chart().svg().unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for part in ["AP under label noise", "clean", "10%", "a &lt; b", "focal", "GHM-C", ">\nnoise\n<", ">\nAP\n<"] {
        assert!(svg.contains(part), "no `{part}` in {svg}");
    }
    // A dot a point, and one a series in the legend.
    assert_eq!(svg.matches("<circle").count(), 6 + 2);
    assert_eq!(chart().svg().unwrap(), svg);
}

#[test]
fn names_that_have_no_room_side_by_side_stand_upright() {
    let upright = |chart: &Chart| chart.svg().unwrap().matches("rotate(270").count();
    // The label of the axis at the left is always upright.
    assert_eq!(upright(&chart()), 1);
    let mut many = chart();
    many.x.names = (0..21).map(|number| format!("spawn {number}%")).collect();
    assert_eq!(upright(&many), 1 + 21);
    let svg = many.svg().unwrap();
    assert!(many.x.names.iter().all(|name| svg.matches(&format!(">\n{name}\n<")).count() == 1), "{svg}");
    many.picture().unwrap();
}

#[test]
fn what_is_no_number_is_left_out() {
    let mut chart = chart();
    chart.series[1].points[2].y = f64::NAN;
    assert_eq!(chart.svg().unwrap().matches("<circle").count(), 5 + 2);
}

#[test]
fn a_chart_without_a_point_is_an_error_with_its_title() {
    let empty = Chart { series: Vec::new(), ..chart() };
    assert!(empty.svg().unwrap_err().to_string().starts_with("chart `AP under label noise`: "));
}

#[test]
fn marks_of_small_numbers_differ() {
    let mut chart = chart();
    chart.series[0].points = (0..4).map(|x| Point { x: f64::from(x), y: 1e-4 * f64::from(x), spread: 0.0 }).collect();
    chart.series.truncate(1);
    let svg = chart.svg().unwrap();
    assert!(["1e-4", "1.5e-4", "2e-4"].iter().all(|mark| svg.contains(&format!(">\n{mark}\n<"))), "{svg}");
}

#[test]
fn one_point_alone_has_a_place() {
    let mut chart = chart();
    chart.series.truncate(1);
    chart.series[0].points.truncate(1);
    chart.x = ChartAxis::of("learning rate");
    assert_eq!(chart.svg().unwrap().matches("<circle").count(), 1);
}

#[test]
fn pixels_show_what_the_svg_shows() {
    let picture = Chart { x: ChartAxis::of("noise"), ..chart() }.picture().unwrap();
    assert_eq!(picture.dimensions(), (1440, 840));
    let of = |colour: [u8; 3]| picture.pixels().filter(|pixel| pixel.0 == colour).count();
    // Two lines of several hundred pixels each.
    assert!(of([0, 114, 178]) > 2_000 && of([213, 94, 0]) > 2_000, "{} {}", of([0, 114, 178]), of([213, 94, 0]));
    // The title stands alone in its lines.
    let title = picture.rows().take(60).flatten().filter(|pixel| pixel.0[0] < 128).count();
    let untitled = Chart { title: String::new(), ..chart() }.picture().unwrap();
    assert!(title > 500, "{title}");
    assert_eq!(untitled.rows().take(28).flatten().filter(|pixel| pixel.0[0] < 128).count(), 0);
}

#[test]
fn equal_ratios_are_equal_steps_and_zero_has_no_place() {
    let mut chart = chart();
    chart.series.truncate(1);
    chart.x = ChartAxis::of("g").from_to(0.0, 4.0);
    chart.y = ChartAxis::of("examples").logarithmic();
    chart.series[0].points =
        [1.0, 100.0, 10_000.0, 0.0].iter().zip(0..).map(|(y, x)| Point::new(f64::from(x), *y)).collect();
    let svg = chart.svg().unwrap();
    let heights: Vec<i32> = svg
        .split("<circle ")
        .skip(1)
        .map(|circle| circle.split("cy=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(heights.len(), 3);
    assert!(((heights[0] - heights[1]) - (heights[1] - heights[2])).abs() <= 1, "{heights:?}");
    for mark in ["10", "100", "1000", "10000"] {
        assert!(svg.contains(&format!(">\n{mark}\n<")), "no {mark} in {svg}");
    }
}

#[test]
fn a_line_is_broken_where_a_point_cannot_be_drawn_and_a_lone_point_is_a_dot() {
    let mut chart = chart();
    chart.series.truncate(1);
    chart.x = ChartAxis::of("g");
    chart.series[0].mark = Mark::Line;
    let drawn = |chart: &Chart, ys: &[f64]| {
        let mut chart = chart.clone();
        chart.series[0].points = ys.iter().zip(0..).map(|(y, x)| Point::new(f64::from(x), *y)).collect();
        let svg = chart.svg().unwrap();
        (lines_of_the_first(&svg), svg.matches("<circle").count())
    };
    assert_eq!(drawn(&chart, &[0.1, 0.2, 0.3, 0.4]), (1, 0));
    assert_eq!(drawn(&chart, &[0.1, 0.2, f64::NAN, 0.3, 0.4]), (2, 0));
    assert_eq!(drawn(&chart, &[0.1, 0.2, f64::NAN, 0.3]).1, 1);
    let mut empty = chart.clone();
    empty.y = ChartAxis::of("share").logarithmic();
    empty.series[0].points = vec![Point::new(0.5, 0.0)];
    assert!(chart.is_drawable() && !empty.is_drawable());
}

/// Lines in the colour of the first series: axes have lines too.
fn lines_of_the_first(svg: &str) -> usize {
    let tags = svg.split("<polyline").skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter(|tag| tag.contains("#0072B2")).count()
}

#[test]
fn a_line_joins_names_that_differ_by_a_number_alone() {
    let lines = |names: &[&str]| {
        let mut chart = chart();
        chart.x.names = names.iter().map(ToString::to_string).collect();
        chart.series.truncate(1);
        chart.series[0].points = (0..names.len()).map(|x| Point::new(x as f64, 0.5)).collect();
        lines_of_the_first(&chart.svg().unwrap())
    };
    assert_eq!(lines(&["none", "mix 5%", "mix 10%", "flip 5%", "flip 10%"]), 2);
    assert_eq!(lines(&["resnet18", "resnet34"]), 1);
    assert_eq!(lines(&["1e-3", "2.5e-3", "4e+0"]), 1);
    assert_eq!(lines(&["CE", "focal"]), 0);
}

#[test]
fn no_two_of_many_series_look_alike() {
    let mut chart = chart();
    let points: Vec<Point> = (0..3).map(|x| Point::new(f64::from(x), 1.0)).collect();
    chart.series =
        (0..12).map(|n| Series { name: format!("loss {n}"), points: points.clone(), mark: Mark::Line }).collect();
    let svg = chart.svg().unwrap();
    // Lines have no dots of their own, so these are the legend's.
    let style = |circle: &str| circle.split("opacity").nth(1).unwrap().split('>').next().unwrap().to_owned();
    let looks: HashSet<String> = svg.split("<circle ").skip(1).map(style).collect();
    assert_eq!(looks.len(), 12, "{looks:?}");
}
