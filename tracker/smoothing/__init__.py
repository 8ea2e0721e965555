"""What later frames say of earlier ones: at a fixed lag, or over a finished video."""
