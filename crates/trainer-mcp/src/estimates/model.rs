//! What a model is made of, as far as the memory that it takes depends on it.

/// A model: how many parameters it has, and its shape where that is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) parameters: u64,
    pub(super) shape: Option<Shape>,
}

/// A transformer of equal layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) layers: u64,
    pub(super) hidden: u64,
    pub(super) heads: u64,
    pub(super) kv_heads: u64,
    pub(super) head_size: u64,
    pub(super) intermediate: u64,
    pub(super) vocabulary: u64,
    /// Whether input and output embeddings are the same numbers.
    pub(super) tied: bool,
    /// Whether a third matrix of the MLP gates the second, as in Llama and its kin.
    pub(super) gated: bool,
    pub(super) experts: Option<Experts>,
}

/// A mixture of experts, of which each token meets some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Experts {
    pub(super) count: u64,
    pub(super) active: u64,
    /// Those that every token meets besides.
    pub(super) shared: u64,
}

impl Shape {
    /// What queries, and the attention's output, are wide.
    pub(super) const fn queries(&self) -> u64 {
        self.heads * self.head_size
    }

    /// What keys are wide, and values again.
    pub(super) const fn keys(&self) -> u64 {
        self.kv_heads * self.head_size
    }

    const fn mlp_matrices(&self) -> u64 {
        if self.gated { 3 } else { 2 }
    }

    /// Parameters of the matrices of one layer: what is quantized, and what adapters sit at.
    pub(super) const fn matrices(&self) -> u64 {
        let attention = 2 * self.hidden * (self.queries() + self.keys());
        let mlp = self.mlp_matrices() * self.hidden * self.intermediate;
        attention + mlp * self.experts_held()
    }

    /// How many MLPs a layer has.
    pub(super) const fn experts_held(&self) -> u64 {
        match self.experts {
            Some(experts) => experts.count + experts.shared,
            None => 1,
        }
    }

    /// How many MLPs a token passes in each layer.
    pub(super) const fn experts_met(&self) -> u64 {
        match self.experts {
            Some(experts) => experts.active + experts.shared,
            None => 1,
        }
    }

    /// Parameters of one layer: matrices, two norms, and what chooses experts.
    pub(super) const fn layer(&self) -> u64 {
        let router = match self.experts {
            Some(experts) => experts.count * self.hidden,
            None => 0,
        };
        self.matrices() + 2 * self.hidden + router
    }

    /// Parameters of one embedding: of the input, or of the output layer.
    pub(super) const fn embedding(&self) -> u64 {
        self.vocabulary * self.hidden
    }

    pub(super) const fn embeddings(&self) -> u64 {
        if self.tied { self.embedding() } else { 2 * self.embedding() }
    }

    /// Biases and learnt positions are left out: together less than a hundredth.
    pub(super) const fn parameters(&self) -> u64 {
        self.layers * self.layer() + self.embeddings() + self.hidden
    }

    /// The largest single matrix.
    pub(super) fn largest_matrix(&self) -> u64 {
        self.hidden * self.intermediate.max(self.queries())
    }
}
