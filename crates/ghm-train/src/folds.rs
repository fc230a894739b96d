//! Training pictures in parts, so that for each there is a network that never saw it.

use std::sync::Arc;

use ghm_data::{Dataset, Order};

use crate::plan::Plan;
use crate::{Recipe, TrainError};

/// A run that leaves a part of its training pictures out.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Trains on the others, evaluates on none, and writes no evidence.
    pub plan: Plan,
    /// What is left out.
    pub held_out: Arc<Dataset>,
}

impl Plan {
    /// This run once for each of `count` parts of its training pictures, without that part. The parts are drawn by the recipe's
    /// seed, and no part has more than one picture more than another.
    ///
    /// # Errors
    /// [`TrainError::Split`] for fewer than 2 parts, more than there are pictures, or where what is left fills no update;
    /// [`TrainError::NoBoxes`] where it has no labels.
    pub fn folds(&self, count: usize) -> Result<Vec<Fold>, TrainError> {
        let images = self.train.dataset.images.len();
        if count < 2 || count > images {
            let reason = format!(
                "the split `{}` has {images} pictures; folds are two at least and one a picture at most, not {count}",
                self.train.name
            );
            return Err(TrainError::Split { root: self.recipe.data.root.clone(), reason });
        }
        let order = Order { seed: self.recipe.seed, images, batch_size: 1, shuffle: true, drop_last: false };
        let mut fold_of = vec![0; images];
        for (place, image) in order.batches(0).concat().into_iter().enumerate() {
            fold_of[image] = place % count;
        }
        let mut recipe = self.recipe.clone();
        recipe.audit.evidence = Some(false);
        (0..count).map(|fold| self.without(&recipe, |image| fold_of[image] == fold)).collect()
    }

    fn without(&self, recipe: &Recipe, held_out: impl Fn(usize) -> bool) -> Result<Fold, TrainError> {
        let part = |wanted: bool| {
            let images = self.train.dataset.images.iter().enumerate();
            let images = images.filter(|(index, _)| held_out(*index) == wanted).map(|(_, image)| image.clone());
            Arc::new(Dataset { categories: self.train.dataset.categories.clone(), images: images.collect() })
        };
        Ok(Fold { plan: self.on(recipe.clone(), part(false))?, held_out: part(true) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghm_data::{SceneConfig, write_scenes};

    fn plan(train: usize, overrides: &[&str]) -> Plan {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        write_scenes(&SceneConfig { width: 64, height: 64, train, validation: 2, ..SceneConfig::default() }, &data)
            .unwrap();
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        Plan::new(Recipe::for_data("[schedule]\nbatch = 2", &data, &overrides).unwrap()).unwrap()
    }

    fn ids(dataset: &Dataset) -> Vec<u64> {
        dataset.images.iter().map(|image| image.id).collect()
    }

    #[test]
    fn every_picture_is_left_out_once_and_trained_on_by_all_others() {
        let plan = plan(11, &[]);
        let folds = plan.folds(3).unwrap();
        let sizes: Vec<usize> = folds.iter().map(|fold| fold.held_out.images.len()).collect();
        assert_eq!(sizes, [4, 4, 3]);
        let mut all: Vec<u64> = folds.iter().flat_map(|fold| ids(&fold.held_out)).collect();
        all.sort_unstable();
        assert_eq!(all, ids(&plan.train.dataset));
        for fold in &folds {
            let (seen, unseen) = (ids(&fold.plan.train.dataset), ids(&fold.held_out));
            assert!(seen.len() + unseen.len() == 11 && seen.iter().all(|id| !unseen.contains(id)));
            assert!(fold.plan.validation.is_none() && fold.plan.recipe.audit.evidence == Some(false));
            assert_eq!(fold.plan.updates_per_epoch(), seen.len() / 2);
            assert!(plan.fingerprint.split('+').all(|split| split != fold.plan.fingerprint));
        }
        assert_ne!(folds[0].plan.fingerprint, folds[1].plan.fingerprint);
        // By the seed, and by nothing else.
        assert_eq!(ids(&plan.folds(3).unwrap()[0].held_out), ids(&folds[0].held_out));
        let mut other = plan.clone();
        other.recipe.seed += 1;
        assert_ne!(ids(&other.folds(3).unwrap()[0].held_out), ids(&folds[0].held_out));
    }

    #[test]
    fn folds_that_cannot_be_trained_are_refused() {
        let plan = plan(3, &[]);
        for count in [0, 1, 4] {
            let error = plan.folds(count).unwrap_err().to_string();
            assert!(error.contains("has 3 pictures") && error.contains(&format!("not {count}")), "{error}");
        }
        let mut large = plan.clone();
        large.recipe.schedule.batch = 3;
        assert!(large.folds(3).unwrap_err().to_string().contains("lower schedule.batch"));
        // All labels in one picture: the network that does not see it has nothing to learn from.
        let mut dataset = Dataset::clone(&plan.train.dataset);
        dataset.images[1..].iter_mut().for_each(|image| image.objects.clear());
        let mut bare = plan;
        bare.train.dataset = Arc::new(dataset);
        assert!(matches!(bare.folds(3), Err(TrainError::NoBoxes { .. })));
    }
}
