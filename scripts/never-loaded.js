// In a bundle: stands for a package that the program never loads (scripts/bundle.js).
throw new Error('a package was loaded that the bundle leaves out');

export {};
