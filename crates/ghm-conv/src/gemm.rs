//! The matrix product behind a checked, safe door.

/// A matrix in a slice, row by row, or the transpose of one.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// `data [rows, columns]`, row by row.
    ///
    /// # Panics
    /// When the slice is shorter than the matrix.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(data.len() >= rows * columns, "{} elements for a {rows} x {columns} matrix", data.len());
        Self { data, rows, columns, strides: [columns, 1] }
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, strides: [self.strides[1], self.strides[0]], ..self }
    }
}

/// Whether the product replaces what the destination holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// `destination = left * right`.
    Replace,
    /// `destination += left * right`.
    Add,
}

/// Who computes a product; the bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// The calling thread: there is other work for the others.
    One,
    /// All threads of rayon's pool.
    All,
}

/// Writes `left [m, k] * right [k, n]` into `destination [m, n]`, row by row.
///
/// # Panics
/// When the inner sizes differ or the destination is shorter than the product.
pub fn multiply(left: Matrix, right: Matrix, destination: &mut [f32], into: Into, workers: Workers) {
    assert_eq!(left.columns, right.rows, "the inner sizes of a matrix product differ");
    let (m, n, k) = (left.rows, right.columns, left.columns);
    assert!(destination.len() >= m * n, "{} elements for a {m} x {n} product", destination.len());
    let parallelism = match workers {
        Workers::One => gemm::Parallelism::None,
        Workers::All => gemm::Parallelism::Rayon(0),
    };
    // SAFETY: `Matrix::new` and the assertion above hold every index `row * stride + column * stride` inside its slice,
    // the destination is borrowed mutably and so overlaps neither operand, and `f32` has no invalid bit pattern.
    #[expect(unsafe_code, reason = "the product's crate takes raw pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            destination.as_mut_ptr(),
            1,
            n as isize,
            into == Into::Add,
            left.data.as_ptr(),
            left.strides[1] as isize,
            left.strides[0] as isize,
            right.data.as_ptr(),
            right.strides[1] as isize,
            right.strides[0] as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_factor_gives_the_product_of_the_transpose() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]);
        let mut product = [10.0; 4];
        multiply(Matrix::new(&a, 2, 3), Matrix::new(&b, 2, 3).transposed(), &mut product, Into::Replace, Workers::One);
        assert_eq!(product, [7.0, 10.0, 16.0, 22.0]);
        multiply(Matrix::new(&a, 2, 3), Matrix::new(&b, 2, 3).transposed(), &mut product, Into::Add, Workers::All);
        assert_eq!(product, [14.0, 20.0, 32.0, 44.0]);
    }
}
