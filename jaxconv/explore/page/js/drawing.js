// The drawing, which the sections share.

let pixels = null;

/** Keep a drawing for the other sections. */
export const share = (rows) => (pixels = rows);

/** Return the drawing that was kept last, or null. */
export const shared = () => pixels;
