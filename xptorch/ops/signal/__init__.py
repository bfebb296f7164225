"""Ops of signal processing: Fourier transforms and the short-time Fourier transform."""
