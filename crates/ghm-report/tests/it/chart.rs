//! Charts.

use ghm_report::{Chart, ChartAxis, Point, Series};

fn chart() -> Chart {
    let series = |name: &str, at: f64| Series {
        name: name.into(),
        joined: true,
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
