//! The rules.

use std::fmt;

macro_rules! rules {
    ($($rule:ident: $claim:literal $(usually $cause:literal)?,)*) => {
        /// What the traits promise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $claim] $rule,)*
        }

        impl Rule {
            /// The rule in words.
            pub fn claim(self) -> &'static str {
                match self {
                    $(Self::$rule => $claim,)*
                }
            }

            /// What is behind most violations, of a rule that tells a result and not where to look.
            pub fn usual_cause(self) -> Option<&'static str> {
                match self {
                    $($(Self::$rule => Some($cause),)?)*
                    _ => None,
                }
            }
        }
    };
}

rules! {
    // Every plugin.
    NeverPanics: "nothing panics, whatever is asked",
    CasesExist: "the cases that the check wants can be made",
    RegisteredByName: "it is registered, under the name that its configuration is read by",
    ConfigNamesKind: "the configuration as JSON is an object with the plugin's `kind`",
    ConfigSurvivesJson: "the configuration written as JSON and read again is the same",

    // Strategies.
    Starts: "it starts with the heads that it is meant for",
    WeightsOnSimplex: "at any time there is one weight for each head, and they are a point of the simplex",
    SharingIsFixed: "what the joint loss moves, and among how many heads the weight is shared, is the same in every step, from 1 to all heads",
    CopesWithEvidence: "finite evidence of what it asked for, and of that alone, is no error",
    GradientsKeepLength: "gradients that it changes keep their lengths",
    GradientsStayFinite: "gradients that it changes stay finite",
    EvidenceDecides: "the same seeds and evidence give the same weights and gradients to the bit",
    AsksForWhatMovesIt: "what moves its weights, or has it change gradients, is asked for in `evidence`",
    WeightsFollowHeads: "heads in another order get the weights and gradients that they have in this one, unless these are drawn at random",
    StateSurvivesJson: "its state is restored from JSON text",
    RestoredGoesOn: "restored from its state it goes on as if it had not stopped, to the bit, and has the same advice"
        usually "a field that a run changes and `state` leaves out",
    ForeignStateRefused: "a state that is none of its own is refused",
    AdviceIsSound: "its advice survives JSON text, and a figure in it is of every head, or of every modality",
    HeldOutIsShare: "the held-out share is at least 0 and below 1, and above 0 if it asks for estimates",
    RequestIsSound: "an estimate that it asks for can be made",
    EstimateTaken: "the estimate that it asked for is taken if a head gains",
    ReportTellsWeights: "its report has every head in order, with the weights that it has from there on",
    UnaskedEstimateRefused: "a strategy that asks for no estimate refuses one",

    // Modalities.
    MediaFits: "the check is given at least three pieces of media of the modality's kind and of one shape",
    Prepares: "media of its kind are prepared",
    PreparesAlike: "the same media are prepared to the same array",
    PreparesFinite: "prepared values are finite",
    PreparesOneShape: "media of one shape are prepared to arrays of one shape",
    OtherMediaRefused: "media of another kind are refused",
    Fits: "figures are fitted to prepared samples",
    FitsAlike: "the same samples give the same figures",
    Applies: "what was fitted is applied to prepared samples",
    AppliesAlike: "the same figures make the same array of a sample",
    AppliesFinite: "what is made of a sample with what was fitted is finite",
    AppliesOneShape: "what is made of samples with what was fitted has one shape, whatever their values are",
    Augments: "prepared samples are augmented",
    AugmentsBySeed: "the random stream alone decides what augmentation does",
    AugmentsInShape: "augmentation keeps the shape",
    AugmentsFinite: "augmented values are finite",
    AugmentsIsTold: "where `Modality::augments` says no, augmentation leaves samples as they are",

    // Encoders and fusions.
    Builds: "it is built for what it is meant for",
    SeedDecides: "the seed decides the initial parameters: the same one the same, another one others",
    PathsAreUnique: "every parameter and buffer has a path of its own, and always the same",
    Runs: "it runs in every mode on what it was built for",
    OutputHasShape: "its output is `[batch, length]`, of the length that it tells",
    OutputIsFinite: "its output is finite",
    EvaluationChangesNothing: "evaluation leaves parameters and buffers as they are",
    EvaluationRepeats: "evaluation of the same samples gives the same output to the bit",
    DifferentiationEvaluates: "differentiation gives the output of evaluation, and leaves buffers as they are",
    SamplesAreIndependent: "in evaluation a sample's output depends on no other sample of the batch",
    TrainingRepeats: "training passes of the same seed give the same output and buffers to the bit",
    RecomputesAlike: "a training pass that recomputes leaves the output, gradients and buffers of one that keeps everything, to the bit"
        usually "a parameter that layers given to `recompute` do not show, or something of the pass that their closure reads besides its input",
    FiniteOnFlatInput: "without any variation in the media or features that it is of, or with denormal values alone, its output and gradients are finite"
        usually "a division by a deviation, or the square root of one, without a small number added",
    EverythingLearns: "every parameter gets a gradient from its output"
        usually "a layer that the forward pass leaves out, a tensor that enters without the pass's recorder or through `detach`, or the first of the two that `fork` returns left unread: the history is on that one",
    GradientsAreDerivatives: "its gradients are the derivatives of its output, as finite differences tell them"
        usually "a factor that is computed aside, from `detach`, `snapshot`, `to_vec` or `to_array`, and enters again as a number or as data; or the first of the two that `fork` returns left unread: the history is on that one",
    StateIsWhole: "its parameters and buffers are all there is to it: loaded into another, they give the same output"
        usually "a layer, parameter or buffer that `visit_params` does not visit",
    OtherInputRefused: "input of another shape than it was built for is refused",
    EveryInputLearns: "what each modality gives gets a gradient"
        usually "features that `fuse` leaves out, or sends through `detach`, or the first of the two that `fork` returns left unread: the history is on that one",
    MissingIsFused: "where samples lack modalities, all of them lack one or have none, its output and gradients are finite"
        usually "a division by the number of modalities that are there",
    PresentIsWhole: "to be told of every sample that it has a modality is to be told nothing",
    MissingIsTold: "a sample that lacks a modality is fused to something else than one that has it, with features of zeros"
        usually "`FusionInputs::present` left aside, of that modality or of all",
    StagesLeaveMaps: "each stage leaves maps of the shape that it tells",
    HalvesAreTheWhole: "the halves of an encoder one after the other give what the whole gives, to the bit",
    HalvesShareOut: "the halves of an encoder have all its parameters and buffers, each once",

    // Objectives.
    ObjectiveStarts: "it starts at the joint head or at a modality's own for a kind of label, and refuses the others with Error::Setting or Error::Data",
    LossOfEach: "each sample with a label has a finite loss, and no other if labels are needed",
    LossIsMean: "the loss on the tape is the mean of the losses in float64",
    GradientIsOfLoss: "gradients of the loss are those of finite differences",
    LossFollowsSample: "in another order the samples have the same losses",
    ScoresTellLosses: "scores are finite, one row for each sample, and their losses are those of the output",
    ScoresAreTheirFunction: "where it says of which function of outputs its scores are, they are, and heads are pooled by their mean",
    ScoresMakeOutput: "the output that is made from scores has these scores",
    ConfidenceIsShare: "its confidence is from 0 to 1",
    PoolOfOneIsIt: "the scores of one head alone are pooled to themselves",
    MissingCountsForNothing: "a sample without a label changes no loss, gradient or metric of the others",
    NothingKnownRefused: "a batch without any label has no loss",
    OtherLabelRefused: "labels of another kind, out of range or not finite are refused",
    OtherOutputRefused: "an output of another shape is refused",
    MetricsAreTold: "metrics have names of their own, one value each, and the one that selects is among them",
    MetricsKnowNoOrder: "in another order the samples have the same metrics",
    MainFigureIsMean: "the mean of the main metric over samples, where that is told, is the main metric",
    BetterIsBetter: "what fits the labels has better metrics than the same answers given to other samples",

    // Optimizers.
    OptimizerStarts: "it starts, with a learning rate that is finite and not negative",
    Updates: "a parameter of any rank is updated",
    GradientsDecide: "the same gradients move the same parameters alike, to the bit",
    ZeroGradientStays: "at first a gradient of zero does not move a parameter of zeros",
    ZeroRateStays: "with a learning rate of 0 nothing moves",
    Descends: "it descends a convex quadratic",
    ShareScalesStep: "the share scales the first step",
    CountsSteps: "it counts the steps begun, and goes on counting from a checkpoint",
    MomentsRestored: "its moments are told and restored",
    MissingMomentRefused: "a checkpoint without a moment that it keeps is refused",
    MomentsAreWhole: "steps and moments are all there is to it: restored from them it goes on to the bit"
        usually "a field that a step changes and `moments` leaves out",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.claim())
    }
}
