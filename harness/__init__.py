"""HOW a run is trained and measured: specs, models, data, training, workers, the study."""
