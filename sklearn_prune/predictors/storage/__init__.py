"""Files of predictors: a zip of a description in JSON and of arrays."""
