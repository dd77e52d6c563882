// What the user chose stays chosen, where the browser may keep it.

export function recall(key, otherwise) {
  try {
    return localStorage.getItem(`countline.${key}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(`countline.${key}`, value);
  } catch {
    // for this page only, then
  }
}
