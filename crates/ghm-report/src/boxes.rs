//! Boxes and their labels drawn on a picture.

use ghm_boxes::Bbox;
use image::RgbImage;

use crate::Colour;
use crate::layout::{PixelRect, Plate, Scale, place_label};
use crate::text::{TextStyle, draw_text, fill};

/// A box to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct DrawnBox {
    /// The box in pixels of the picture it is drawn on.
    pub bbox_in_image: Bbox,
    /// What to write beside it, often the class and the score; nothing is written for an empty label.
    pub label: String,
    /// Colour of the lines and of the label's plate.
    pub colour: Colour,
}

/// Draws boxes, and over them their labels, with widths that suit the picture's size.
///
/// The lines lie just within the box. A label stands above its box, below it where there is no room above, and inside
/// only where there is none outside; it is moved, made smaller and in the end cut to stay in the picture, and keeps off
/// the labels before it where it can. A box is clipped to the picture; one with NaN, inverted, or wholly outside is
/// left out, and so is a label in a picture too small for one character.
pub fn draw_boxes(picture: &mut RgbImage, boxes: &[DrawnBox]) {
    let scale = Scale::for_picture(picture.dimensions());
    let visible: Vec<(&DrawnBox, PixelRect)> = boxes
        .iter()
        .filter_map(|drawn| Some((drawn, PixelRect::of_box(drawn.bbox_in_image, picture.dimensions())?)))
        .collect();
    for (drawn, rect) in &visible {
        draw_frame(picture, *rect, scale.line, drawn.colour);
    }
    let mut taken = Vec::with_capacity(visible.len());
    for (drawn, rect) in &visible {
        if let Some(plate) = place_label(*rect, &drawn.label, scale.text, picture.dimensions(), &taken) {
            draw_plate(picture, &plate, drawn.colour);
            taken.push(plate.rect);
        }
    }
}

fn draw_frame(picture: &mut RgbImage, rect: PixelRect, line: u32, colour: Colour) {
    let (across, down) = (line.min(rect.width()), line.min(rect.height()));
    fill(picture, (rect.left, rect.top), (rect.width(), down), colour);
    fill(picture, (rect.left, rect.bottom - down), (rect.width(), down), colour);
    fill(picture, (rect.left, rect.top), (across, rect.height()), colour);
    fill(picture, (rect.right - across, rect.top), (across, rect.height()), colour);
}

fn draw_plate(picture: &mut RgbImage, plate: &Plate, colour: Colour) {
    let (rect, scale) = (plate.rect, plate.text_scale);
    fill(picture, (rect.left, rect.top), (rect.width(), rect.height()), colour);
    let style = TextStyle { scale, colour: colour.text_colour() };
    draw_text(picture, (rect.left + scale, rect.top + scale), &plate.text, style);
}
