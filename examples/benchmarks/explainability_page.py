"""Words of the page that `explainability.py` writes."""

QUESTIONS = """
Are pruned models easier to explain and to reproduce? Columns:

- "read": conditions that one prediction asks, in the mean; of rules all of them.
- "conditions" and "features": distinct ones in the model; of EBM, its bins.
- "churn": the share of test labels that differ between two refits; for numbers the mean
  difference in standard deviations of the target.
- "agreement": rank correlation between two refits of the effect of each feature. The effect
  is the mean change of the prediction when the column is shuffled. "top 5" is the share of
  the five features with the largest effect that two refits have in common.
- "fidelity": one minus the churn against the whole forest on the same rows.
- "seconds": CPU time of a fit.

Values in brackets are those of the forest on the same sets and refits. A constant model
has no churn, so read it beside the accuracy. EBM has two bags and no pairs, since a fit
with its defaults takes minutes. No setting was chosen on test rows.
"""
FINDINGS = """
**Where the claim holds.** Models become much shorter to read. A forest asks hundreds of
conditions for one prediction. Stable rules ask about 24, and on the first nine sets they
lose next to nothing in accuracy and log loss. Against other small models (FIGS, CART by
CV, HSTree) they have the lower log loss on every set that was measured but banana, and
the lower churn on nearly all.

**Where it does not.** No smaller model explains itself as reproducibly as a forest. The
effects of features agree clearly less between refits, for stable rules as for all others.
Labels of stable rules change more often than those of the forest. On the two sets where
it was measured, pruning a forest to 32 leaves makes the effects agree less, too; a low
churn there comes from a nearly constant model. Stability is not the merit of pruning. A
logistic regression, and a few stumps from one boosting, change fewer labels than stable
rules, at the same or a worse log loss. The gain over L1 on the same indicators is small.

**Where stable rules lose.** The recipe was found on the first nine sets, so the others
tell more. With banana (17 points of accuracy below the forest), satimage (5) and vehicle
(4), the mean over all sets is more than two points below the forest, and the log loss .04
higher. Two of the nine, magic and phoneme, lose one to two points. Features interact
there, and several classes share the 24 rules. Two conditions a rule did not help on the
two sets where they were measured, which have few interactions.
"""
