"""A GAN with a regularized discriminator, appendix G of the MHE paper; and its inception score."""
