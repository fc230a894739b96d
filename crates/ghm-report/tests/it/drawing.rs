//! Boxes and labels land where they should, whatever the box and the picture.

use ghm_boxes::Bbox;
use ghm_report::{Colour, DrawnBox, class_colour, draw_boxes};
use image::{Rgb, RgbImage};

const GREY: [u8; 3] = [90, 90, 90];

fn grey(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, Rgb(GREY))
}

fn drawn(bbox_in_image: Bbox, label: &str) -> DrawnBox {
    DrawnBox { bbox_in_image, label: label.to_string(), colour: class_colour(1) }
}

fn changed(picture: &RgbImage) -> Vec<(u32, u32)> {
    picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 != GREY).map(|(x, y, _)| (x, y)).collect()
}

#[test]
fn the_lines_of_a_box_lie_just_within_it() {
    let mut picture = grey(100, 80);
    draw_boxes(&mut picture, &[drawn(Bbox::new(20.0, 30.0, 60.0, 50.0), "")]);
    let expected = |x: u32, y: u32| {
        let inside = (20..60).contains(&x) && (30..50).contains(&y);
        inside && (x == 20 || x == 59 || y == 30 || y == 49)
    };
    for (x, y, pixel) in picture.enumerate_pixels() {
        let colour = if expected(x, y) { class_colour(1).to_array() } else { GREY };
        assert_eq!(pixel.0, colour, "({x}, {y})");
    }
}

#[test]
fn lines_are_thicker_in_a_larger_picture() {
    let mut picture = grey(960, 720);
    draw_boxes(&mut picture, &[drawn(Bbox::new(100.0, 300.0, 400.0, 500.0), "")]);
    let thickness = (0..960).filter(|&x| picture.get_pixel(x, 400).0 != GREY).count() / 2;
    assert_eq!(thickness, 3);
}

#[test]
fn a_label_leaves_the_object_uncovered_when_there_is_room_above() {
    let mut with_label = grey(100, 80);
    let mut without = with_label.clone();
    let bbox = Bbox::new(20.0, 30.0, 60.0, 50.0);
    draw_boxes(&mut with_label, &[drawn(bbox, "ring 0.93")]);
    draw_boxes(&mut without, &[drawn(bbox, "")]);
    for y in 30..80 {
        assert!((0..100).all(|x| with_label.get_pixel(x, y) == without.get_pixel(x, y)), "row {y}");
    }
    let text = with_label.pixels().filter(|pixel| pixel.0 == class_colour(1).text_colour().to_array()).count();
    assert!(text > 60, "{text} dots of text");
}

#[test]
fn text_is_whole_at_every_border_of_the_picture() {
    let dots = |bbox| {
        let mut picture = grey(100, 80);
        draw_boxes(&mut picture, &[DrawnBox { colour: Colour::WHITE, ..drawn(bbox, "ring 0.9") }]);
        picture.pixels().filter(|pixel| pixel.0 == [0; 3]).count()
    };
    let in_the_middle = dots(Bbox::new(20.0, 30.0, 60.0, 50.0));
    for (x, y) in [(0.0, 0.0), (90.0, 0.0), (0.0, 70.0), (90.0, 70.0), (-5.0, -5.0), (95.0, 75.0)] {
        assert_eq!(dots(Bbox::new(x, y, x + 10.0, y + 10.0)), in_the_middle, "box at ({x}, {y})");
    }
}

#[test]
fn boxes_with_nan_inverted_or_outside_change_nothing() {
    let mut picture = grey(50, 40);
    let bad = [
        Bbox::new(f32::NAN, 1.0, 5.0, 5.0),
        Bbox::new(1.0, 1.0, f32::NAN, f32::NAN),
        Bbox::new(30.0, 1.0, 5.0, 5.0),
        Bbox::new(-30.0, -30.0, -5.0, -5.0),
        Bbox::new(1e9, 1e9, 2e9, 2e9),
    ];
    draw_boxes(&mut picture, &bad.map(|bbox| drawn(bbox, "bad")));
    assert_eq!(changed(&picture), []);
}

#[test]
fn a_box_larger_than_the_picture_is_drawn_along_its_border() {
    let mut picture = grey(50, 40);
    draw_boxes(&mut picture, &[drawn(Bbox::new(f32::NEG_INFINITY, -9.0, 1e30, f32::INFINITY), "")]);
    assert_eq!(changed(&picture).len(), 2 * 50 + 2 * 38);
}

#[test]
fn pictures_of_any_size_take_any_box() {
    let edges = [f32::NEG_INFINITY, -1.0, 0.0, 0.4, 1.0, 7.5, 13.0, f32::INFINITY, f32::NAN];
    for (width, height) in [(0, 0), (1, 1), (1, 30), (30, 1), (9, 9), (10, 10), (13, 11)] {
        let mut picture = grey(width, height);
        for x1 in edges {
            for y2 in edges {
                draw_boxes(
                    &mut picture,
                    &[drawn(Bbox::new(x1, 0.0, 8.0, y2), "label"), drawn(Bbox::new(0.0, x1, y2, y2), "")],
                );
            }
        }
        assert_eq!(picture.dimensions(), (width, height));
    }
}
