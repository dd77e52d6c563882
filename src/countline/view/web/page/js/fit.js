// How large tiles are so that all of them stand on the screen.

const LEAST = 200; // pixels; smaller ones cannot be read, and the wall is scrolled instead

/**
 * Columns and width of `n` tiles of a picture of `ratio` with a caption of so many pixels below it, in a space of width x height: the
 * largest that all fit, or the smallest that can be read.
 */
export function fit(n, { width, height, ratio, caption, gap }) {
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = ((height - gap * (rows - 1)) / rows - caption) * ratio;
    const found = Math.floor(Math.min(across, down));
    if (found > best.width) best = { columns, width: found };
  }
  if (best.width >= Math.min(LEAST, width)) return best;
  const columns = Math.max(1, Math.floor((width + gap) / (LEAST + gap)));
  return { columns, width: Math.floor((width - gap * (columns - 1)) / columns) };
}
