//! Pictures with a share of their energy, by principal component analysis.

use nalgebra::{DMatrix, DVector};

use super::idx::Pictures;

/// Pictures that the components are fitted to: more change them in the third digit only.
const FITTED: usize = 10_000;

/// Projects pictures onto their leading principal components.
pub(super) struct EnergyFilter {
    mean: DVector<f64>,
    /// One component per column.
    components: DMatrix<f64>,
    /// Changes with the components.
    pub(super) identity: String,
}

impl EnergyFilter {
    /// Fits to the first of `count` pictures: the fewest components that hold at least `share` of the
    /// variance.
    pub(super) fn fit(pictures: &Pictures, count: usize, share: f64) -> Self {
        let (size, count) = (pictures.height * pictures.width, count.min(FITTED));
        let mut data = DMatrix::zeros(size, count);
        for (index, mut column) in data.column_iter_mut().enumerate() {
            for (value, &pixel) in column.iter_mut().zip(pictures.get(index)) {
                *value = f64::from(pixel);
            }
        }
        let mean = data.column_mean();
        for mut column in data.column_iter_mut() {
            column -= &mean;
        }
        let eigen = (&data * data.transpose()).symmetric_eigen();
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let total: f64 = eigen.eigenvalues.iter().map(|value| value.max(0.0)).sum();
        let mut held = 0.0;
        let mut leading = Vec::new();
        for component in order {
            if held >= share * total {
                break;
            }
            held += eigen.eigenvalues[component].max(0.0);
            leading.push(eigen.eigenvectors.column(component).into_owned());
        }
        let components = if leading.is_empty() {
            DMatrix::zeros(size, 0)
        } else {
            DMatrix::from_columns(&leading)
        };
        let mut hasher = blake3::Hasher::new();
        for value in mean.iter().chain(components.iter()) {
            hasher.update(&value.to_le_bytes());
        }
        Self {
            mean,
            components,
            identity: hasher.finalize().to_hex().to_string(),
        }
    }

    /// The picture's part in the space of the components, rounded to bytes.
    pub(super) fn apply(&self, picture: &[u8]) -> Vec<u8> {
        let values = DVector::from_iterator(picture.len(), picture.iter().map(|&pixel| f64::from(pixel)));
        let coordinates = self.components.tr_mul(&(values - &self.mean));
        let projected = &self.components * coordinates + &self.mean;
        projected
            .iter()
            .map(|value| value.round().clamp(0.0, 255.0) as u8)
            .collect()
    }
}
